import { serverAccount } from './account';
import { findBinaries } from './binaries';
import { DATABASE_USER, openCluster } from './cluster';
import { type DataDirectory, dataDirectoryAt, explained, makeWritable, readPassword } from './data-directory';
import { type Claim, claim, liveOwner } from './owner';
import { refuseUnfinishedRestore } from './restoring';
import { DATABASE_NAME, type RunningServer, runServer } from './server';

export { DataDirectoryInUse, EmbeddedPostgresError } from './embedded-postgres.errors';

/**
 * A PostgreSQL server of our own in a data directory, for machines that have none: real binaries, durable, one owner
 * process at a time. On Linux with glibc and on macOS.
 */
export interface EmbeddedOptions {
  /** Holds the cluster (`postgres/`), its password, its log and the owner file. */
  dataDir: string;
  /** Further PostgreSQL settings; tests turn `fsync` off. */
  settings?: Record<string, string>;
  /** Told what the user should know and need not act on. */
  onNotice?: (sentence: string) => void;
  /** Told when the server has ended by itself: nobody starts it again. */
  onEnd?: () => void;
  /** By the restore that is under way there: nobody else may start. */
  restoring?: boolean;
}

export interface EmbeddedServer {
  /** The superuser's, on 127.0.0.1. */
  url: string;
  /** Notes the API's address for the message that a second process on this directory prints. */
  announce(apiUrl: string): void;
  /** Stops the server cleanly and gives up the directory; open connections are ended. */
  stop(): Promise<void>;
}

/** Starts the server, or throws EmbeddedPostgresError (one sentence with the way out). */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const directory = dataDirectoryAt(options.dataDir);
  try {
    await makeWritable(directory);
    const ownership = await claim(directory);
    try {
      return await startOwned(directory, ownership, options);
    } catch (error) {
      await ownership.release();
      throw error;
    }
  } catch (error) {
    throw explained(error, directory);
  }
}

/**
 * URL of the running embedded server of this data dir if a live process owns it, else undefined. Never starts or
 * stops anything.
 */
export async function attachEmbedded(dataDir: string): Promise<string | undefined> {
  const directory = dataDirectoryAt(dataDir);
  const owner = await liveOwner(directory);
  if (owner?.port === undefined) return undefined;
  await refuseUnfinishedRestore(directory);
  const password = await readPassword(directory);
  return password === undefined ? undefined : urlOf(owner.port, password);
}

async function startOwned(
  directory: DataDirectory,
  ownership: Claim,
  { settings = {}, onNotice = () => {}, onEnd = () => {}, restoring = false }: EmbeddedOptions,
): Promise<EmbeddedServer> {
  if (!restoring) await refuseUnfinishedRestore(directory);
  const account = await serverAccount(directory.cluster);
  const binaries = await findBinaries(account, onNotice);
  const durable = settings['fsync'] !== 'off';
  const cluster = await openCluster({ directory, binaries, account, durable, onNotice });
  const { logFile } = directory;
  const server = await runServer({ cluster, binaries, account, settings, logFile, onNotice });
  ownership.record({ port: server.port });

  let stopping: Promise<void> | undefined;
  void server.ended.then(() => {
    if (stopping !== undefined) return;
    onNotice(`The embedded PostgreSQL server ended by itself; see ${logFile}.`);
    onEnd();
  });
  return {
    url: urlOf(server.port, cluster.password),
    announce: (apiUrl) => ownership.record({ apiUrl }),
    stop: () => (stopping ??= stopOwned(server, ownership)),
  };
}

/** In this order: whoever may own the directory next must not find a server in it. */
async function stopOwned(server: RunningServer, ownership: Claim): Promise<void> {
  await server.stop();
  await ownership.release();
}

/** Without TLS, whatever the user's environment asks of other servers (`PGSSLMODE`). */
function urlOf(port: number, password: string): string {
  return `postgres://${DATABASE_USER}:${password}@127.0.0.1:${port}/${DATABASE_NAME}?sslmode=disable`;
}
