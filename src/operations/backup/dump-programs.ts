import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { BackupError } from './backup.errors';

/** PostgreSQL's own programs, of one version. */
export interface DumpPrograms {
  pgDump: string;
  pgRestore: string;
  /** Such as 15.20. */
  version: string;
  major: number;
}

/** Where packages put each version; a wrapper on the PATH may choose another one than it says. */
const VERSIONED = '/usr/lib/postgresql';
const ANSWER_MS_MAX = 10_000;

/**
 * The oldest programs that can serve a server of this major version: an older pg_dump refuses it, and a much newer one
 * writes what it may not understand. Throws `BackupError`, which tells what was found.
 */
export async function findDumpPrograms(major: number, searchPath: string): Promise<DumpPrograms> {
  const found = await installed(searchPath);
  const fitting = found.filter((programs) => programs.major >= major).sort((a, b) => a.major - b.major)[0];
  if (fitting) return fitting;
  const what = found.map(({ version, pgDump }) => `${version} (${pgDump})`).join(', ') || 'none';
  throw new BackupError(
    `The server is PostgreSQL ${major}, and needs pg_dump and pg_restore ${major} or newer; found: ${what}. ` +
      `Install them (Debian: postgresql-client-${major}), or put them on the PATH.`,
  );
}

async function installed(searchPath: string): Promise<DumpPrograms[]> {
  const versions = await readdir(VERSIONED).catch(() => []);
  const directories = [
    ...versions.map((version) => join(VERSIONED, version, 'bin')),
    ...searchPath.split(delimiter).filter((directory) => directory !== ''),
  ];
  const found: DumpPrograms[] = [];
  for (const directory of new Set(directories)) {
    const [pgDump, pgRestore] = [join(directory, 'pg_dump'), join(directory, 'pg_restore')];
    const [version, other] = [await versionOf(pgDump), await versionOf(pgRestore)];
    if (version === undefined || version !== other) continue;
    found.push({ pgDump, pgRestore, version, major: Number.parseInt(version, 10) });
  }
  return found;
}

async function versionOf(program: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: ANSWER_MS_MAX });
    return /\(PostgreSQL\) (\d+[.\w]*)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
