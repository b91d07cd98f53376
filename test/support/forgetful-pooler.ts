import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Stands for a pooler that ignores what a connection asks for when it starts (`ignore_startup_parameters = options`). */
export interface ForgetfulPooler {
  /** The database's own address, by way of here. */
  url: string;
  close(): Promise<void>;
}

export async function startForgetfulPooler(databaseUrl: string): Promise<ForgetfulPooler> {
  const url = new URL(databaseUrl);
  const databasePort = Number(url.port);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const database = connect(databasePort, '127.0.0.1');
    for (const [from, to] of [
      [client, database],
      [database, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
    client.once('data', (startup) => {
      database.write(withoutOptions(startup));
      client.pipe(database);
    });
    database.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.toString(),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Of the PostgreSQL protocol: length, version, then names and values, each ended by a zero; and another zero. */
function withoutOptions(startup: Buffer): Buffer {
  const words = startup.subarray(8).toString().split('\0');
  const kept: string[] = [];
  for (let at = 0; words[at] !== ''; at += 2) {
    if (words[at] !== 'options') kept.push(words[at]!, words[at + 1]!);
  }
  const body = Buffer.from(`${kept.join('\0')}\0\0`);
  const head = Buffer.from(startup.subarray(0, 8));
  head.writeInt32BE(body.length + 8);
  return Buffer.concat([head, body]);
}
