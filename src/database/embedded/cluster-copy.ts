import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Client } from 'pg';
import { type CopiedFile, copyFile, writeCopy } from './copied-file';
import { EmbeddedPostgresError } from './embedded-postgres.errors';

/**
 * What no copy has: it belongs to the server that runs, or every server makes it anew (PostgreSQL documentation, "Making a
 * Base Backup Using the Low Level API").
 */
const LEFT_OUT = [
  /(^|\/)(pg_internal\.init|pgsql_tmp[^/]*|t\d+_\d+)(\/|$)/,
  /^(postmaster\.(pid|opts)|backup_(label|manifest)(\.old)?|tablespace_map(\.old)?|postgresql\.auto\.conf\.tmp)$/,
  /^(pg_wal|pg_dynshmem|pg_notify|pg_replslot|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)\//,
];
/** It says how far the others are, so it is read when they are. */
const CONTROL_FILE = 'global/pg_control';
const SEGMENT = /^[0-9A-F]{24}$/;
const HISTORY = /^[0-9A-F]{8}\.history$/;
/** A control file is written in place: of readings that are the same twice, none was taken half way. */
const READINGS_MAX = 20;

/** Files of a cluster, by their paths within it. */
export interface ClusterCopy {
  files: CopiedFile[];
  /** Database's clock: what was committed before is in the copy. */
  asOf: Date;
}

/**
 * Copies the cluster of a running server into a folder, file by file, with the log that makes the files fit one another:
 * a server started on the copy replays it and finds everything that was committed when the copying ended. The server goes
 * on working meanwhile; a slot keeps its log until it has been copied. Needs a superuser's connection.
 */
export async function copyCluster(cluster: string, url: string, folder: string): Promise<ClusterCopy> {
  await refuseTablespaces(cluster);
  const client = new Client({ connectionString: url });
  let lost: Error | undefined;
  client.on('error', (error) => (lost ??= error));
  await client.connect();
  try {
    const slot = `holdfast_backup_${process.pid}`;
    // Before the start: a checkpoint in between must not recycle what the copy will need. It ends with the connection.
    await client.query('SELECT pg_create_physical_replication_slot($1, true, true)', [slot]);
    await client.query(`SELECT pg_backup_start('holdfast', true)`);
    const files = await copyFiles(cluster, folder);
    const asOf = await timeOf(client);
    const { label, last } = await stop(client);
    files.push(await writeCopy(folder, 'backup_label', label));
    files.push(...(await copyLog(cluster, folder, firstSegmentIn(label), last)));
    if (lost) throw lost;
    return { files, asOf };
  } finally {
    await client.end();
  }
}

async function copyFiles(cluster: string, folder: string): Promise<CopiedFile[]> {
  const files: CopiedFile[] = [];
  for (const path of await pathsIn(cluster)) {
    if (path === CONTROL_FILE) continue;
    try {
      files.push(await copyFile(join(cluster, path), folder, path));
    } catch (error) {
      // Dropped meanwhile; that is in the log.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  await seeControlFileWhole(cluster);
  files.push(await copyFile(join(cluster, CONTROL_FILE), folder, CONTROL_FILE));
  return files;
}

async function pathsIn(cluster: string, within = ''): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(join(cluster, within), { withFileTypes: true })) {
    const path = within === '' ? entry.name : `${within}/${entry.name}`;
    if (LEFT_OUT.some((pattern) => pattern.test(path))) continue;
    if (entry.isDirectory()) paths.push(...(await pathsIn(cluster, path)));
    else if (entry.isFile()) paths.push(path);
  }
  return paths;
}

async function seeControlFileWhole(cluster: string): Promise<void> {
  const file = join(cluster, CONTROL_FILE);
  let before = await readFile(file);
  for (let readings = 1; readings < READINGS_MAX; readings++) {
    const now = await readFile(file);
    if (now.equals(before)) return;
    before = now;
  }
}

async function timeOf(client: Client): Promise<Date> {
  const { rows } = await client.query<{ at: Date }>('SELECT clock_timestamp() AS at');
  return rows[0]!.at;
}

/** The server's word on what was copied: the label as it has to stand in the copy, and the last part of the log it needs. */
async function stop(client: Client): Promise<{ label: string; last: string }> {
  const { rows } = await client.query<{ label: string; last: string }>(
    'SELECT labelfile AS label, pg_walfile_name(lsn) AS last FROM pg_backup_stop(false)',
  );
  return rows[0]!;
}

function firstSegmentIn(label: string): string {
  const [, segment] = /^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)$/m.exec(label) ?? [];
  if (segment === undefined) throw new EmbeddedPostgresError(`The server's backup label cannot be read: ${label}`);
  return segment;
}

async function copyLog(cluster: string, folder: string, first: string, last: string): Promise<CopiedFile[]> {
  const names = (await readdir(join(cluster, 'pg_wal'))).filter(
    (name) => HISTORY.test(name) || (SEGMENT.test(name) && name >= first && name <= last),
  );
  for (const needed of [first, last]) {
    if (!names.includes(needed)) throw new EmbeddedPostgresError(`The server has lost ${needed} of its log meanwhile.`);
  }
  const files: CopiedFile[] = [];
  for (const name of names.sort()) files.push(await copyFile(join(cluster, 'pg_wal', name), folder, `pg_wal/${name}`));
  return files;
}

async function refuseTablespaces(cluster: string): Promise<void> {
  const [tablespace] = await readdir(join(cluster, 'pg_tblspc'));
  if (tablespace === undefined) return;
  throw new EmbeddedPostgresError(
    `The database has files outside ${basename(cluster)} (tablespace ${tablespace}): back it up with PostgreSQL's own tools.`,
  );
}
