import { randomUUID } from 'node:crypto';
import { chmod, chown, lstat, mkdir, mkdtemp, open, readFile, readdir, realpath } from 'node:fs/promises';
import { rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Account, canEnter, runAs } from './account';
import type { Binaries } from './binaries';
import { type DataDirectory, readPassword, writePassword } from './data-directory';
import { EmbeddedPostgresError } from './embedded-postgres.errors';
import { REFUGE, makeRefuge } from './refuge';

/**
 * The database files of a data directory, made on the first start. They belong to one major version of PostgreSQL;
 * moving them to another one is left to its own tools.
 */
export interface Cluster {
  /** Free of links, since the server is recognised by it. */
  path: string;
  password: string;
}

export interface ClusterSurroundings {
  directory: DataDirectory;
  binaries: Binaries;
  account: Account | undefined;
  /** False only where the data is thrown away anyway: then initdb does not wait for the disk either. */
  durable: boolean;
  onNotice: (sentence: string) => void;
}

/** The superuser, and the database that the URL names. */
export const DATABASE_USER = 'holdfast';

const DRAFT_PREFIX = 'postgres.initializing-';

/**
 * The server's own C.UTF-8, the same on every machine whatever its system locales: text sorts by code point, and
 * upper and lower case follow Unicode, so ILIKE finds names outside ASCII. System locales differ between machines and
 * change under an index when the system is upgraded; plain C knows no case outside ASCII. The price: pg_trgm asks the
 * system's locale, here C, what a letter is, so a search for text wholly outside ASCII is right but not indexed.
 */
const LOCALE = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];

/** Opens the cluster, or makes it. Only for the process that owns the data directory. */
export async function openCluster(surroundings: ClusterSurroundings): Promise<Cluster> {
  const { directory, binaries } = surroundings;
  if (await isAbsent(directory.cluster)) {
    const password = (await readPassword(directory)) ?? writePassword(directory);
    return { path: await makeCluster(surroundings, (draft) => initialize(surroundings, draft, password)), password };
  }
  const path = await resolveLink(directory);
  await refuseForeignVersion(path, binaries.major);
  const password = await readPassword(directory);
  if (password !== undefined) return { path, password };
  throw new EmbeddedPostgresError(
    `The password file ${directory.passwordFile} of an existing database is missing; ` +
      'put it back, or set HOLDFAST_DATA_DIR to another directory.',
  );
}

/**
 * Makes a cluster of what `fill` puts into an empty directory that belongs to the server's account. Who dies half way leaves
 * a draft under another name, never a half-made cluster under the right one. `makeWay` is called when the draft is whole.
 */
export async function makeCluster(
  surroundings: ClusterSurroundings,
  fill: (draft: string) => Promise<void>,
  makeWay = async (): Promise<void> => {},
): Promise<string> {
  const { directory, account } = surroundings;
  const home = await clusterHome(surroundings);
  await removeDrafts(home);
  const draft = join(home, `${DRAFT_PREFIX}${randomUUID()}`);
  await mkdir(draft, { mode: 0o700 });
  await giveTo(account, draft);
  await fill(draft);
  await makeWay();
  const cluster = join(home, 'postgres');
  await rename(draft, cluster);
  if (home !== directory.path) await symlink(cluster, directory.cluster);
  await reachDisk(directory.path);
  return realpath(cluster);
}

/** Beside the rest, or where the server's account can go: the link left behind then says where. */
async function clusterHome({ directory, account, onNotice }: ClusterSurroundings): Promise<string> {
  if (account === undefined || (await canEnter(account, directory.path))) return directory.path;
  await makeRefuge();
  const home = await mkdtemp(join(REFUGE, 'postgres-'));
  await chmod(home, 0o711);
  if (!(await canEnter(account, home))) {
    throw new EmbeddedPostgresError(
      `The account ${account.name}, which PostgreSQL has to run as, can enter neither ${directory.path} nor ` +
        `${REFUGE}; start as an ordinary user, or set HOLDFAST_DATA_DIR to a directory it can enter.`,
    );
  }
  onNotice(`The account ${account.name} cannot enter ${directory.path}, so the database is kept in ${home}.`);
  return home;
}

async function initialize(
  { binaries, account, durable }: ClusterSurroundings,
  draft: string,
  password: string,
): Promise<void> {
  // initdb reads the password with the account's rights, and the real password file is not the account's.
  const passwordFile = `${draft}.password`;
  await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' });
  await giveTo(account, passwordFile);
  const outcome = await runAs(account, binaries.initdb, [
    `--pgdata=${draft}`,
    `--username=${DATABASE_USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--no-instructions',
    ...LOCALE,
    ...(durable ? [] : ['--no-sync']),
  ]);
  await rm(passwordFile, { force: true });
  if (outcome.exitCode === 0) return;
  const complaint = outcome.stderr.split('\n').find((line) => /error|FATAL/.test(line));
  throw new EmbeddedPostgresError(
    `PostgreSQL could not initialize its files in ${dirname(draft)} (${complaint ?? outcome.failure}); ` +
      'set HOLDFAST_DATA_DIR to another directory, or DATABASE_URL to a PostgreSQL server of your own.',
  );
}

async function refuseForeignVersion(cluster: string, major: number): Promise<void> {
  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const trouble = cause.code === 'ENOENT' ? 'is not a PostgreSQL data directory' : `cannot be read (${cause.code})`;
    throw new EmbeddedPostgresError(
      `${cluster} ${trouble}; run this as the user it belongs to, move it away, ` +
        'or set HOLDFAST_DATA_DIR to another directory.',
      { cause },
    );
  });
  const found = Number(version.trim());
  if (found === major) return;
  const remedy = found > major ? 'run the newer release that wrote it' : 'move it to the new version with pg_upgrade';
  throw new EmbeddedPostgresError(
    `The database in ${cluster} was written by PostgreSQL ${version.trim()} and this release brings ${major}; ` +
      `${remedy}, or set HOLDFAST_DATA_DIR to another directory.`,
  );
}

/** A link to nowhere is a database that was moved or is not mounted: never a reason to begin an empty one. */
async function resolveLink(directory: DataDirectory): Promise<string> {
  return realpath(directory.cluster).catch((cause: NodeJS.ErrnoException) => {
    throw new EmbeddedPostgresError(
      `${directory.cluster} leads to a database that cannot be found (${cause.code}); ` +
        'bring it back, remove the link, or set HOLDFAST_DATA_DIR to another directory.',
      { cause },
    );
  });
}

/** An empty directory, such as a fresh mount, counts as absent: a rename may take its place. */
export async function isAbsent(cluster: string): Promise<boolean> {
  const found = await lstat(cluster).catch(() => undefined);
  if (found === undefined) return true;
  if (!found.isDirectory()) return false;
  return (await readdir(cluster).catch(() => ['unreadable'])).length === 0;
}

/** An orphaned initdb may still be writing in there; it fails, and what it leaves goes the next time. */
async function removeDrafts(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (name.startsWith(DRAFT_PREFIX)) await rm(join(home, name), { recursive: true, force: true }).catch(() => {});
  }
}

export async function giveTo(account: Account | undefined, path: string): Promise<void> {
  if (account !== undefined) await chown(path, account.uid, account.gid);
}

/** The names too have to survive a power cut, not only what the files hold. */
async function reachDisk(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  await handle.sync().finally(() => handle.close());
}
