import { hostname } from 'node:os';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
import { levels } from 'pino';
import type { Caller } from '../auth/access';
import { GatheredLines, WRITE_EVERY_MS } from './gathered-lines';
import { isProbe } from './probe';
import type { TracedRequest } from './request-traces';
import { traceIdOf } from './spans';

type Named = Record<string, string | string[]>;
type LoggedRequest = TracedRequest & { caller?: Caller; named: Named | null };
type WriteLine = (level: 'info' | 'warn', line: object, msg: string) => void;

/** What the request's line is to name besides, such as the order that it has placed. */
export function nameInLog(request: FastifyRequest, named: Named): void {
  (request as LoggedRequest).named = named;
}

/**
 * One line a request, after its answer; a probe or a scrape every few seconds is not news. Headers and bodies stay out. A
 * process that is killed loses the lines of its last tenth of a second.
 */
export function logRequests(fastify: FastifyInstance): void {
  let write: WriteLine | undefined;
  fastify.decorateRequest('named', null);
  fastify.addHook('onReady', (done) => {
    write = requestLog(fastify);
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    if (!isProbe(request)) {
      const { id, method, url, caller, traceparent, named } = request as LoggedRequest;
      const { statusCode, elapsedTime } = reply;
      const level = statusCode >= 500 ? 'warn' : 'info';
      const answer = { res: { statusCode }, responseTime: Math.round(elapsedTime) };
      const who = { client: caller?.client, traceId: traceIdOf(traceparent) };
      const line = { req: { id, method, url }, ...answer, ...who, ...named };
      write?.(level, line, `${method} ${url} ${statusCode}`);
    }
    done();
  });
}

/**
 * Where people read the log, the line goes their way. Elsewhere it needs no redaction, no write of its own, and of the
 * logger's lines only the form: put together by the logger, piece by piece, it cost an order twice as much.
 */
function requestLog(fastify: FastifyInstance): WriteLine {
  const { root } = PinoLogger;
  if (process.stdout.isTTY) return (level, line, msg) => root[level](line, msg);
  const ours = { pid: process.pid, hostname: hostname() };
  const write: WriteLine = (level, line, msg) => {
    if (!root.isLevelEnabled(level)) return;
    lines.write(`${JSON.stringify({ level: levels.values[level], time: Date.now(), ...ours, ...line, msg })}\n`);
  };
  const lines = new GatheredLines({
    fd: 1,
    onDropped: (dropped) => write('warn', { dropped }, 'Lines of requests were dropped, as nobody read the log'),
  });
  const passing = setInterval(() => lines.pass(), WRITE_EVERY_MS).unref();
  const writeLast = (): void => lines.writeLast();
  process.once('exit', writeLast);
  fastify.addHook('onClose', (_, done) => {
    clearInterval(passing);
    process.off('exit', writeLast);
    writeLast();
    done();
  });
  return write;
}
