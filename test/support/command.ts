import { execFile } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');
const END_MS_MAX = 30_000;

export interface Finished {
  code: number | string | null | undefined;
  stdout: string;
  stderr: string;
}

/** Runs a built program to its end, with nothing in its environment but what is given. */
export function run(program: string, args: string[], env: Record<string, string> = {}): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'dist', program), ...args],
      { cwd: ROOT, env: { PATH: process.env['PATH'], ...env }, timeout: END_MS_MAX },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}
