import { lstat, readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { migrations } from '../../database/data-source';
import { type CopiedFile, digestOf } from '../../database/embedded/copied-file';
import { BackupError } from './backup.errors';

/** `physical`: the files of an embedded database. `dump`: what pg_dump says of an external one. */
export type BackupMethod = 'physical' | 'dump';

/** What a backup holds, and by whom it was made; written last, so that a backup without it is none. */
export interface Manifest {
  format: typeof FORMAT;
  method: BackupMethod;
  /** Of Holdfast. */
  release: string;
  /** The server's version. */
  postgres: string;
  /** Of the machine, such as linux-x64. */
  platform: string;
  /** Names of the schema's migrations, in their order. */
  migrations: string[];
  startedAt: string;
  /** Database's clock: what was committed before is in the backup. */
  asOf: string;
  finishedAt: string;
  bytes: number;
  files: CopiedFile[];
}

/** A backup whose every file is as it was written. */
export interface Backup {
  folder: string;
  manifest: Manifest;
}

export const MANIFEST = 'manifest.json';
/** What a backup is called while it is being made, or where that was broken off. */
export const PARTIAL = '.partial';
export const FORMAT = 1;
/** Names of files in a message. */
const NAMED_MAX = 5;

/**
 * Reads a backup and compares every file with what was written. Throws `BackupError` for one that is incomplete or damaged, or
 * that a newer release made.
 */
export async function readBackup(from: string): Promise<Backup> {
  const folder = resolve(from);
  const manifest = await readManifest(folder);
  const known = migrations.map(({ name }) => name);
  const unknown = manifest.migrations.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new BackupError(
      `The backup ${folder} was made by a newer release, ${manifest.release} (${unknown.join(', ')}): restore it with that one.`,
    );
  }
  const damages = await damagesOf(folder, manifest);
  if (damages.length > 0) {
    const more = damages.length > NAMED_MAX ? `, and ${damages.length - NAMED_MAX} more` : '';
    const list = damages.slice(0, NAMED_MAX).join('; ');
    throw new BackupError(`The backup ${folder} is damaged (${list}${more}): take another one. Nothing was restored.`);
  }
  return { folder, manifest };
}

export function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}

async function readManifest(folder: string): Promise<Manifest> {
  if (basename(folder).endsWith(PARTIAL)) {
    throw new BackupError(`${folder} is a backup that was broken off: take another one. Nothing was restored.`);
  }
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new BackupError(
      `${folder} is no backup: its ${MANIFEST} cannot be read (${cause.code}). Name a folder that npm run backup made.`,
      { cause },
    );
  });
  const manifest = parse(text);
  if (manifest?.format === FORMAT) return manifest as Manifest;
  const found = manifest?.format === undefined ? 'cannot be understood' : `is of format ${manifest.format}`;
  throw new BackupError(
    `The ${MANIFEST} of ${folder} ${found}: take another backup, or restore it with the release that made it.`,
  );
}

function parse(text: string): (Partial<Omit<Manifest, 'format'>> & { format?: number }) | undefined {
  try {
    const manifest = JSON.parse(text) as Partial<Manifest>;
    const whole = Array.isArray(manifest?.files) && Array.isArray(manifest.migrations);
    return whole || manifest?.format !== FORMAT ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** Files that are missing, too many, or not what was written. */
async function damagesOf(folder: string, { files }: Manifest): Promise<string[]> {
  const found = new Set(await pathsIn(folder));
  found.delete(MANIFEST);
  const damages: string[] = [];
  for (const { path, bytes, sha256 } of files) {
    if (!found.delete(path)) {
      damages.push(`${path} is missing`);
      continue;
    }
    const now = await digestOf(join(folder, path));
    if (now.bytes !== bytes) damages.push(`${path} has ${now.bytes} bytes, not ${bytes}`);
    else if (now.sha256 !== sha256) damages.push(`${path} has changed`);
  }
  return [...damages, ...[...found].map((path) => `${path} does not belong to it`)];
}

async function pathsIn(folder: string, within = ''): Promise<string[]> {
  const paths: string[] = [];
  for (const name of await readdir(join(folder, within))) {
    const path = within === '' ? name : `${within}/${name}`;
    const isFolder = (await lstat(join(folder, path))).isDirectory();
    paths.push(...(isFolder ? await pathsIn(folder, path) : [path]));
  }
  return paths;
}
