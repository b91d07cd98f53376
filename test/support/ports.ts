import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the range from which systems give ports to connections and to `listen(0)`: nobody gets ours by chance. Above the last one
 * that `fetch` refuses to call (https://fetch.spec.whatwg.org/#port-blocking).
 */
const PORT_MIN = 10_081;
const PORT_MAX = 30_000;

/** A port that is free now; two that ask at once hardly get the same. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    const server = createServer();
    const free = await Promise.race([
      once(server.listen(port, '127.0.0.1'), 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]).catch(() => false);
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
