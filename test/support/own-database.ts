import { singleConnection } from '../../src/database/data-source';
import { type EmbeddedServer, startEmbedded } from '../../src/database/embedded/embedded-postgres';
import { migrate } from '../../src/database/migrate';
import { newDataDir, removeDataDir } from './data-dir';
import { TcpProxy } from './proxy';

/** A migrated database of the test's own, that can be stopped, behind an address that stays. */
export interface OwnDatabase {
  url: string;
  /** Runs statements; not while it is stopped. */
  query(statement: string, values?: unknown[]): Promise<unknown>;
  stop(): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

export async function startOwnDatabase(): Promise<OwnDatabase> {
  const dataDir = newDataDir();
  const proxy = await TcpProxy.listen();
  let server: EmbeddedServer | undefined;
  const start = async (): Promise<void> => {
    server = await startEmbedded({ dataDir });
    proxy.forwardTo(Number(new URL(server.url).port));
  };
  const stop = async (): Promise<void> => {
    await server?.stop();
    server = undefined;
    proxy.cut();
  };
  const direct = async <Result>(work: (database: ReturnType<typeof singleConnection>) => Promise<Result>) => {
    const database = await singleConnection(server!.url).initialize();
    try {
      return await work(database);
    } finally {
      await database.destroy();
    }
  };
  await start();
  await direct(migrate);
  const url = new URL(server!.url);
  url.port = String(proxy.port);
  return {
    url: url.toString(),
    query: (statement, values) => direct((database) => database.query(statement, values)),
    start,
    stop,
    remove: async () => {
      await stop();
      await proxy.close();
      removeDataDir(dataDir);
    },
  };
}
