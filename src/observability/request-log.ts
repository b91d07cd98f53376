import type { FastifyInstance, FastifyRequest } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
import { destination, type Logger, pino } from 'pino';
import { isProbe } from './probe';
import type { TracedRequest } from './request-traces';
import { traceIdOf } from './spans';

/** Lines wait for so many characters, or so long: a write each was 4 % of an order's cost. */
const GATHERED_MAX = 16_384;
const WRITE_EVERY_MS = 100;

type LoggedRequest = TracedRequest & { named: Record<string, string> | null };

/** What the request's line is to name besides, such as the order that it has placed. */
export function nameInLog(request: FastifyRequest, named: Record<string, string>): void {
  (request as LoggedRequest).named = named;
}

/**
 * One line a request, after its answer; a probe or a scrape every few seconds is not news. Headers and bodies stay out. A
 * process that is killed loses the lines of its last tenth of a second.
 */
export function logRequests(fastify: FastifyInstance): void {
  let requests: Logger | undefined;
  fastify.decorateRequest('named', null);
  fastify.addHook('onReady', (done) => {
    requests = requestLogger(fastify);
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    if (!isProbe(request)) {
      const { id, method, url, traceparent, named } = request as LoggedRequest;
      const { statusCode, elapsedTime } = reply;
      const level = statusCode >= 500 ? 'warn' : 'info';
      const answer = { res: { statusCode }, responseTime: Math.round(elapsedTime) };
      const line = { req: { id, method, url }, ...answer, traceId: traceIdOf(traceparent), ...named };
      requests?.[level](line, `${method} ${url} ${statusCode}`);
    }
    done();
  });
}

/** Where people read the log, the line goes their way. Elsewhere it needs no redaction, and no write of its own. */
function requestLogger(fastify: FastifyInstance): Logger {
  if (process.stdout.isTTY) return PinoLogger.root;
  const output = destination({ dest: 1, sync: false });
  const lines = new GatheredLines(output);
  const writing = setInterval(() => lines.pass(), WRITE_EVERY_MS).unref();
  const writeLast = (): void => {
    lines.pass();
    output.flushSync();
  };
  process.once('exit', writeLast);
  fastify.addHook('onClose', (_, done) => {
    clearInterval(writing);
    process.off('exit', writeLast);
    writeLast();
    done();
  });
  return pino({ level: PinoLogger.root.level }, lines);
}

/** Gathered by the destination itself, each line cost twice as much: it measures all that wait at every one. */
class GatheredLines {
  private gathered = '';

  constructor(private readonly output: { write(lines: string): unknown }) {}

  write(line: string): void {
    this.gathered += line;
    if (this.gathered.length >= GATHERED_MAX) this.pass();
  }

  pass(): void {
    if (this.gathered !== '') this.output.write(this.gathered);
    this.gathered = '';
  }
}
