import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { type Account, CHILD_ENVIRONMENT, credentialsOf } from './account';

/**
 * Runs the server under a process of its own that outlives us just long enough to stop it: however we end, the pipe
 * to it closes with us. It does not help when both are killed; the next start then finds the server left over.
 */
export interface WatchedServer {
  /** Settles when server and watchdog are gone. */
  ended: Promise<void>;
  hasEnded(): boolean;
  stop(): Promise<void>;
}

/** A fast stop writes what is dirty to disk, at most the shared buffers; then the server is made to drop it all. */
const STOP_MS_MAX = 30_000;

/**
 * Plain JavaScript in a string, so that it runs the same from the build and from the sources. SIGINT is what
 * `pg_ctl stop -m fast` sends, SIGQUIT is `-m immediate`. The watchdog keeps our rights and lends the server its
 * account, because that account may not be able to reach Node.
 */
const SCRIPT = `
  process.title = 'holdfast: stops PostgreSQL when its owner ends';
  const { command, args, credentials } = JSON.parse(process.argv[1]);
  const server = require('node:child_process').spawn(command, args, {
    ...credentials,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  server.on('error', (error) => { console.error('FATAL:  ' + error.message); process.exit(1); });
  server.on('exit', (code) => process.exit(code ?? 1));
  let isStopping = false;
  const stop = () => {
    if (isStopping) return;
    isStopping = true;
    server.kill('SIGINT');
    setTimeout(() => server.kill('SIGQUIT'), ${STOP_MS_MAX});
  };
  process.stdin.on('end', stop).on('close', stop).on('error', stop).resume();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
`;

/** Starts the server; whether it comes up is for the caller to see. It writes to the open file `log`. */
export function startWatched(
  command: string,
  args: string[],
  account: Account | undefined,
  log: number,
): WatchedServer {
  const order = JSON.stringify({ command, args, credentials: credentialsOf(account) });
  const watchdog = spawn(process.execPath, ['-e', SCRIPT, order], {
    cwd: '/',
    env: CHILD_ENVIRONMENT,
    stdio: ['pipe', log, log],
    detached: true, // a session of its own, which a Ctrl-C at the terminal does not reach
  });
  const pipe = watchdog.stdin as Socket;
  let hasEnded = false;
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      hasEnded = true;
      resolve();
    };
    watchdog.once('exit', end).once('error', end);
  });
  pipe.on('error', () => {}); // it ended first, which `ended` tells
  // Neither keeps us alive: a program that is done ends, and its server with it.
  watchdog.unref();
  pipe.unref();
  return {
    ended,
    hasEnded: () => hasEnded,
    async stop() {
      watchdog.ref();
      pipe.end();
      await ended;
    },
  };
}
