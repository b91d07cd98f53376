import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Account, runAs } from './account';
import type { Binaries } from './binaries';
import { EmbeddedPostgresError } from './embedded-postgres.errors';
import { commandLineOf, pidIsTaken } from './live-process';

/** Beyond this a clean stop gives way to an immediate one: slower to start from, and as safe for what was committed. */
const STOP_SECONDS_MAX = 30;

/** What `postmaster.pid` says; the file is the server's own. */
interface PidFile {
  pid: number;
  dataDirectory: string;
  port: number;
  status: string;
}

/**
 * Sees to it that no server runs on the cluster. Only for the process that owns the data directory: then a server
 * still there has lost its owner. Tells the pid of the server it stopped.
 */
export async function stopLeftOver(
  cluster: string,
  binaries: Binaries,
  account: Account | undefined,
): Promise<number | undefined> {
  const found = await readPidFile(cluster);
  if (found === undefined) return undefined;
  if (!(await isServerOf(cluster, found))) {
    // Its pid went to a stranger or is a zombie's, and the server would take either for a living rival. The file of
    // a pid that is free is the server's to judge: it also knows whether orphans still use the shared memory.
    if (pidIsTaken(found.pid)) await rm(join(cluster, 'postmaster.pid'), { force: true });
    return undefined;
  }
  for (const mode of ['fast', 'immediate']) {
    const args = ['stop', `--pgdata=${cluster}`, `--mode=${mode}`, '--wait', `--timeout=${STOP_SECONDS_MAX}`];
    await runAs(account, binaries.pgCtl, args);
    // Its answer does not count: it also fails when the server's watchdog was quicker.
    if (!(await isServerOf(cluster, found))) return found.pid;
  }
  throw new EmbeddedPostgresError(
    `The PostgreSQL server that an earlier run left behind does not stop; end process ${found.pid} and start again.`,
  );
}

/** The port of the server on this cluster once it takes connections. */
export async function listeningPort(cluster: string): Promise<number | undefined> {
  const found = await readPidFile(cluster);
  return found?.status === 'ready' ? found.port : undefined;
}

async function readPidFile(cluster: string): Promise<PidFile | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => undefined);
  // Lines: pid, data directory, start time, port, socket directory, listen address, shared memory, status.
  const lines = text?.split('\n') ?? [];
  const pid = Number(lines[0]);
  if (!(pid > 0)) return undefined;
  return { pid, dataDirectory: lines[1] ?? '', port: Number(lines[3]), status: lines[7]?.trim() ?? '' };
}

/** By the command line and not the pid alone; a copied cluster brings along the pid file of the original's server. */
async function isServerOf(cluster: string, { pid, dataDirectory }: PidFile): Promise<boolean> {
  const commandLine = await commandLineOf(pid);
  if (!commandLine?.includes(`-D ${dataDirectory}`)) return false;
  const [here, there] = await Promise.all([cluster, dataDirectory].map((path) => stat(path).catch(() => undefined)));
  return there === undefined || (there.ino === here?.ino && there.dev === here.dev); // undefined: moved since
}
