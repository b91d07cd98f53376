import autocannon from 'autocannon';
import { type LoadOutcome, Tally } from './outcome';

/** As many reads as a fixed number of connections get answered, each sending its next one after the last answer. */
export interface ReadingLoop {
  kind: 'reading';
  url: string;
  apiKey: string;
  connections: number;
  seconds: number;
  /** Each connection goes round through its own share of them. */
  requests: { path: string; ifNoneMatch?: string }[];
  /** Every other answer counts as a failure. */
  expectedStatus: number;
}

/** autocannon looks whether it should stop this often; by default it would be a second late. */
const LOOK_EVERY_MS = 100;

export function runReadingLoop(job: ReadingLoop): Promise<LoadOutcome> {
  const tally = new Tally(job.expectedStatus);
  return new Promise((resolve, reject) => {
    let startedAt = NaN;
    let connection = 0;
    const options: autocannon.Options = {
      url: job.url,
      headers: { authorization: `Bearer ${job.apiKey}` },
      connections: job.connections,
      duration: job.seconds,
      sampleInt: LOOK_EVERY_MS,
      setupClient: (client) => client.setRequests(requestsOf(connection++, job)),
    };
    const instance = autocannon(options, (error: Error | null) =>
      error ? reject(error) : resolve(tally.outcome((performance.now() - startedAt) / 1000)),
    );
    instance.on('start', () => (startedAt = performance.now()));
    instance.on('response', (_client, status, _bytes, latencyMs) => tally.answered(status, latencyMs));
    instance.on('reqError', (error: Error) => tally.failed(error.message));
  });
}

function requestsOf(connection: number, { requests, connections, apiKey }: ReadingLoop): autocannon.Request[] {
  return requests
    .filter((_, index) => index % connections === connection % requests.length)
    .map(({ path, ifNoneMatch }) => ({
      method: 'GET',
      path,
      headers: {
        authorization: `Bearer ${apiKey}`,
        ...(ifNoneMatch !== undefined && { 'if-none-match': ifNoneMatch }),
      },
    }));
}
