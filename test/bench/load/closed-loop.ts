import { randomUUID } from 'node:crypto';
import autocannon from 'autocannon';
import { type LoadOutcome, Tally } from './outcome';

/** As many requests as a fixed number of connections get answered, each sending its next one after the last answer. */
export interface ClosedLoop {
  kind: 'closed';
  /** One for each API process; they share the connections. */
  urls: string[];
  path: string;
  apiKey: string;
  connections: number;
  seconds: number;
  /** JSON texts; each connection goes round through its own share of them. */
  bodies: string[];
  /** Each request with an Idempotency-Key of its own. */
  keyed: boolean;
}

/** autocannon looks whether it should stop this often; by default it would be a second late. */
const LOOK_EVERY_MS = 100;

export async function runClosedLoop(job: ClosedLoop): Promise<LoadOutcome> {
  const tally = new Tally();
  const starts = await Promise.all(job.urls.map((url, index) => shoot(url, index, job, tally)));
  return tally.outcome((performance.now() - Math.min(...starts)) / 1000);
}

/** Answers when it began, its requests made. */
function shoot(url: string, shooter: number, job: ClosedLoop, tally: Tally): Promise<number> {
  return new Promise((resolve, reject) => {
    let connection = shooter;
    let startedAt = NaN;
    const options: autocannon.Options = {
      url: `${url}${job.path}`,
      method: 'POST',
      headers: { authorization: `Bearer ${job.apiKey}`, 'content-type': 'application/json' },
      connections: job.connections / job.urls.length,
      duration: job.seconds,
      sampleInt: LOOK_EVERY_MS,
      setupClient: (client) => {
        client.setRequests(requestsOf(connection, job));
        connection += job.urls.length;
      },
    };
    const instance = autocannon(options, (error: Error | null) => (error ? reject(error) : resolve(startedAt)));
    instance.on('start', () => (startedAt = performance.now()));
    // Counted here: autocannon's own table has no p95.
    instance.on('response', (_client, status, _bytes, latencyMs) => tally.answered(status, latencyMs));
    instance.on('reqError', (error: Error) => tally.failed(error.message));
  });
}

/**
 * The load generator shares the cores with what it measures, so its requests are made before time counts: autocannon
 * sends a request without `setupRequest` from a buffer it built once. Only keyed ones are built anew, key and all.
 */
function requestsOf(connection: number, { bodies, connections, keyed }: ClosedLoop): autocannon.Request[] {
  const share = bodies.filter((_, index) => index % connections === connection % bodies.length);
  return share.map((body) => (keyed ? { body, setupRequest: withNewKey } : { body }));
}

function withNewKey(request: autocannon.Request): autocannon.Request {
  request.headers!['idempotency-key'] = randomUUID();
  return request;
}
