import { once } from 'node:events';
import { createServer } from 'node:http';
import { answerJobs } from '../helper';

/** A collector that counts what it is sent and keeps nothing, so that it takes little of the cores it shares. */
export type SinkJob = 'listen' | 'count';

export interface Sunk {
  url: string;
  /** So far. */
  spans: number;
  bytes: number;
}

/** Each span has one. */
const MARK = Buffer.from('"spanId":');

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    sunk.bytes += body.length;
    for (let at = body.indexOf(MARK); at !== -1; at = body.indexOf(MARK, at + 1)) sunk.spans += 1;
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});
const sunk: Sunk = { url: '', spans: 0, bytes: 0 };

async function sink(job: SinkJob): Promise<Sunk> {
  if (job === 'count') return sunk;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  sunk.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return sunk;
}

if (process.send) answerJobs(sink);
