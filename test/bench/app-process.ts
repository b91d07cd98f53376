import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../support/ports';
import { waitFor } from '../support/wait';

/** The built API or worker as a process of its own, as in production. */
export interface AppProcess {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

const ROOT = join(__dirname, '..', '..');
const START_MS_MAX = 60_000;

/** Where each mode is told to listen. */
const PORT_KEY = { api: 'PORT', worker: 'WORKER_PORT' } as const;

export interface AppSettings {
  databaseUrl: string;
  adminApiKey: string;
  /** Where its last words go. */
  errorFile: string;
  /** A folder for its CPU profile. */
  profileTo: string | undefined;
  env: Record<string, string>;
  /** The checkout whose build is started, if not this one. */
  root?: string;
}

/** Starts it and waits until it is ready. Its log is written, but to nowhere: a pipe would have to be read by the bench. */
export async function startApp(
  mode: keyof typeof PORT_KEY,
  { databaseUrl, adminApiKey, errorFile, profileTo, env, root = ROOT }: AppSettings,
): Promise<AppProcess> {
  const port = await freePort();
  const profiling = profileTo === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileTo}`];
  const errors = openSync(errorFile, 'a');
  const child = spawn(process.execPath, [...profiling, join(root, 'dist', 'main.js'), `--mode=${mode}`], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: databaseUrl,
      ADMIN_API_KEY: adminApiKey,
      [PORT_KEY[mode]]: String(port),
      LOG_LEVEL: 'info',
      // As under `npm start`: it ends with its parent, even when that is killed.
      npm_lifecycle_event: 'start',
      ...env,
    },
    stdio: ['ignore', 'ignore', errors],
  });
  closeSync(errors);
  const url = `http://127.0.0.1:${port}`;
  await waitFor(async () => !isRunning(child) || (await fetch(`${url}/health/ready`)).ok, {
    withinMs: START_MS_MAX,
    what: `the ${mode} to be ready`,
  });
  if (!isRunning(child)) throw new Error(`The ${mode} did not start: ${readFileSync(errorFile, 'utf8')}`);
  return { url, pid: child.pid!, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
