import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres.errors';

/**
 * Whose rights the server runs with. PostgreSQL refuses root, so a root caller lends it an account that already
 * exists; none is ever created. Access lists and security modules are not modelled: an account's reach is tried out.
 */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

export interface Outcome {
  /** 0 is success; undefined when the program could not be run at all, and then `failure` says why. */
  exitCode: number | undefined;
  /** The system's code, such as EACCES. */
  failure: string | undefined;
  stdout: string;
  stderr: string;
}

/** In the order of preference: both belong to nobody who can log in. */
const LENT_ACCOUNTS = ['postgres', 'nobody'];

/**
 * The children see nothing of our environment: a PGDATA, PGPORT or NODE_OPTIONS meant for something else would change
 * what they do. A fixed locale also keeps macOS from starting threads inside the server, and in one time zone `ps` tells
 * the same start of a process however far its user travels.
 */
export const CHILD_ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin:/usr/sbin:/sbin' };

/** initdb on a slow disk takes tens of seconds; beyond this the machine is in trouble. */
const PROGRAM_MS_MAX = 120_000;

/**
 * The account to run the server as; undefined means as ourselves. A root caller keeps to the account an existing
 * cluster belongs to, so that `sudo` once does not lock the user out of their own data.
 */
export async function serverAccount(cluster: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const keeper = await ownerOf(cluster);
  if (keeper !== undefined) return keeper;
  for (const name of LENT_ACCOUNTS) {
    const account = await existingAccount(name);
    if (account !== undefined) return account;
  }
  throw new EmbeddedPostgresError(
    'PostgreSQL refuses to run as root and this machine has neither a postgres nor a nobody account; ' +
      'start as an ordinary user, or set DATABASE_URL to a PostgreSQL server of your own.',
  );
}

/** Whether the account can reach the directory through everything above it. */
export async function canEnter(account: Account | undefined, directory: string): Promise<boolean> {
  if (account === undefined) return true;
  return (await runAs(account, '/bin/sh', ['-c', 'cd -- "$1"', 'sh', directory])).exitCode === 0;
}

/** Runs a program to its end with the account's rights; a failure is an answer, not an exception. */
export function runAs(account: Account | undefined, command: string, args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { cwd: '/', env: CHILD_ENVIRONMENT, timeout: PROGRAM_MS_MAX, ...credentialsOf(account) };
    try {
      execFile(command, args, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : (error.code ?? error.signal);
        const ran = typeof code === 'number';
        resolve({ exitCode: ran ? code : undefined, failure: ran ? undefined : String(code), stdout, stderr });
      });
    } catch (error) {
      // Node throws at once, instead of calling back, when the system forbids the change of account.
      const failure = (error as NodeJS.ErrnoException).code ?? String(error);
      resolve({ exitCode: undefined, failure, stdout: '', stderr: '' });
    }
  });
}

/** The part of a spawn's options that changes the account. */
export function credentialsOf(account: Account | undefined): { uid?: number; gid?: number } {
  return account === undefined ? {} : { uid: account.uid, gid: account.gid };
}

async function ownerOf(cluster: string): Promise<Account | undefined> {
  const version = await stat(join(cluster, 'PG_VERSION')).catch(() => undefined);
  if (version === undefined || version.uid === 0) return undefined;
  return { name: `user ${version.uid}`, uid: version.uid, gid: version.gid };
}

async function existingAccount(name: string): Promise<Account | undefined> {
  const [uid, gid] = await Promise.all([runAs(undefined, 'id', ['-u', name]), runAs(undefined, 'id', ['-g', name])]);
  if (uid.exitCode !== 0 || gid.exitCode !== 0) return undefined;
  return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
}
