import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { waitFor } from './wait';

export { freePort } from './ports';

const ROOT = join(__dirname, '..', '..');
const START_MS_MAX = 40_000;
const STOP_MS_MAX = 20_000;

/** What `--mode=…` a process was started in, and how to talk to it. */
export interface AppProcess {
  url: string;
  /** Everything it printed so far. */
  output(): string;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
  running(): boolean;
}

/** Configuration that another test run, or the machine, must not leak into a process under test. */
const CLEAN = ['DATABASE_URL', 'RABBITMQ_URL', 'ADMIN_API_KEY', 'NODE_ENV', 'PORT', 'npm_lifecycle_event'];

/** Starts a built app process and waits until it answers, or has ended. */
export async function startProcess(
  mode: string,
  env: Record<string, string>,
  flags: string[] = [],
): Promise<AppProcess> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([key]) => !CLEAN.includes(key)));
  const child = spawn(process.execPath, [join(ROOT, 'dist', 'main.js'), `--mode=${mode}`, ...flags], {
    cwd: ROOT,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const port = portOf(mode, env);
  const app: AppProcess = {
    url: `http://127.0.0.1:${port}`,
    output: () => output,
    running: () => isRunning(child),
    signal: (signal) => void child.kill(signal),
    stop: () => end(child, 'SIGTERM'),
    kill: async () => void (await end(child, 'SIGKILL')),
  };
  await waitFor(
    async () => !isRunning(child) || (await answers(mode === 'vendors' ? `${app.url}/` : `${app.url}/health/live`)),
    { withinMs: START_MS_MAX, what: () => `${mode} to answer; it printed:\n${output}` },
  );
  return app;
}

/** Waits until `/health/ready` answers 200. */
export async function ready(app: AppProcess): Promise<void> {
  await waitFor(async () => (await fetch(`${app.url}/health/ready`)).ok, {
    withinMs: START_MS_MAX,
    what: () => `${app.url} to be ready; it printed:\n${app.output()}`,
  });
}

function portOf(mode: string, env: Record<string, string>): string {
  const key = { worker: 'WORKER_PORT', vendors: 'VENDORS_PORT' }[mode] ?? 'PORT';
  return env[key] ?? { worker: '3001', vendors: '3002' }[mode] ?? '3000';
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (isRunning(child)) {
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(STOP_MS_MAX) });
    child.kill(signal);
    await exited;
  }
  return child.exitCode;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** What a process printed that is no log line below the level of an error. */
export function errorLines(output: string): string[] {
  return output.split('\n').filter((line) => line !== '' && !isHarmless(line));
}

const ERROR_LEVEL = 50;

function isHarmless(line: string): boolean {
  try {
    return (JSON.parse(line) as { level: number }).level < ERROR_LEVEL;
  } catch {
    return false;
  }
}
