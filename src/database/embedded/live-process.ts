import { readFile, readlink } from 'node:fs/promises';
import { runAs } from './account';

/** Tells one process from a later one that got the same pid. Knows only the processes of this machine and this container. */

/** When the process started, in the kernel's own words; compare for equality only. Undefined when dead or a zombie. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return startTimeFromPs(pid);
  const stat = await readIfThere(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in brackets and may itself hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, ticksSinceBoot] = [fields[0], fields[19]];
  if (state === 'Z' || state === 'X' || ticksSinceBoot === undefined) return undefined;
  // Ticks start again at each boot, and so do pids: without the boot a small pid could be mistaken for its forebear.
  const boot = (await readIfThere('/proc/sys/kernel/random/boot_id'))?.trim() ?? '';
  return `${boot}/${ticksSinceBoot}`;
}

/** Names the container whose pids we see; undefined where there is no such thing. */
export function processNamespace(): Promise<string | undefined> {
  return readlink('/proc/self/ns/pid').catch(() => undefined);
}

/** The command line, arguments joined by blanks; undefined when there is no such process or it is a zombie. */
export async function commandLineOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return (await ps(pid, 'command=')) || undefined;
  const line = await readIfThere(`/proc/${pid}/cmdline`);
  return line?.replaceAll('\0', ' ').trim() || undefined;
}

/** Whether the pid is taken at all, by whomever, zombies included. */
export function pidIsTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function startTimeFromPs(pid: number): Promise<string | undefined> {
  const line = await ps(pid, 'stat=,lstart=');
  const [state, ...startedAt] = line.split(/\s+/);
  if (!state || state.startsWith('Z')) return undefined;
  return startedAt.join(' ');
}

async function ps(pid: number, columns: string): Promise<string> {
  return (await runAs(undefined, '/bin/ps', ['-o', columns, '-p', String(pid)])).stdout.trim();
}

async function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}
