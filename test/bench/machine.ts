import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { medianOf } from './statistics';

/** What a figure depends on, so that two results can be compared. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  system: string;
  node: string;
  postgres: string;
  /** One synchronous write where the database lies: what a commit costs at least. */
  diskSyncMs: number;
  /** Processes that wanted a core in the minute before. */
  loadAverage: number;
  commit: string;
}

const SYNCS = 100;
/** From Linux's magic.h. */
const TMPFS = 0x01021994;

export function describeMachine(postgres: string): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: round(totalmem() / 2 ** 30, 1),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    postgres,
    diskSyncMs: round(diskSyncMs(), 2),
    loadAverage: round(loadavg()[0]!, 1),
    commit: commit(),
  };
}

/** Why figures from here would be wrong. */
export function caveats({ loadAverage, cores }: Machine): string[] {
  const found: string[] = [];
  if (statfsSync(tmpdir()).type === TMPFS) {
    found.push(`${tmpdir()} is kept in memory, where a commit costs nothing; set TMPDIR to a folder on a disk.`);
  }
  // Starting the bench itself makes some.
  if (loadAverage > cores) found.push(`The machine was busy already (load average ${loadAverage} on ${cores} cores).`);
  return found;
}

function diskSyncMs(): number {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-sync-'));
  const file = openSync(join(folder, 'block'), 'w');
  try {
    const block = Buffer.alloc(8192);
    return medianOf(
      Array.from({ length: SYNCS }, () => {
        const startedAt = performance.now();
        writeSync(file, block);
        fsyncSync(file);
        return performance.now() - startedAt;
      }),
    );
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: __dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ' and local changes'}`;
  } catch {
    return 'unknown';
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
