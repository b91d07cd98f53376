import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** CPU time of other processes, from Linux's /proc; elsewhere it is not known and the tables say so. */
export interface CpuSeconds {
  api: number;
  postgres: number;
}

/** USER_HZ: a hundred on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export function cpuSecondsOf(apiPids: number[], postmasterPid: number | undefined): CpuSeconds | undefined {
  if (process.platform !== 'linux' || postmasterPid === undefined) return undefined;
  const processes = allProcesses();
  const own = (pid: number): number => processes.find((found) => found.pid === pid)?.own ?? 0;
  const postmaster = processes.find(({ pid }) => pid === postmasterPid);
  const backends = processes.filter(({ parent }) => parent === postmasterPid).reduce((sum, { own }) => sum + own, 0);
  return {
    api: apiPids.reduce((sum, pid) => sum + own(pid), 0),
    // With the backends that have ended, which their parent has waited for.
    postgres: backends + (postmaster ? postmaster.own + postmaster.ofEndedChildren : 0),
  };
}

/** Resident memory in bytes; undefined where there is no /proc. */
export function residentBytesOf(pid: number): number | undefined {
  return statusBytes(pid, 'VmRSS');
}

/** The most it ever was since `forgetPeakOf`, or since its start where the system does not let us forget. */
export function peakResidentBytesOf(pid: number): number | undefined {
  return statusBytes(pid, 'VmHWM');
}

export function forgetPeakOf(pid: number): void {
  try {
    // See proc(5): 5 sets the peak back to what is resident now.
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // The peak since the start is no less.
  }
}

function statusBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** The parent of a PostgreSQL backend. */
export function parentOf(pid: number): number | undefined {
  return process.platform === 'linux' ? read(pid)?.parent : undefined;
}

function allProcesses(): NonNullable<ReturnType<typeof read>>[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (read(Number(name)) ?? []) : []));
}

function read(pid: number): { pid: number; parent: number; own: number; ofEndedChildren: number } | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // it has ended
  }
  // The name, in parentheses, may contain anything; see proc(5) for what follows it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (index: number): number => Number(fields[index]) / TICKS_PER_SECOND;
  return { pid, parent: Number(fields[1]), own: seconds(11) + seconds(12), ofEndedChildren: seconds(13) + seconds(14) };
}
