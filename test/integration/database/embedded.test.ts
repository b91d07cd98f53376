import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { readlinkSync, realpathSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, type QueryResultRow } from 'pg';
import { linkLibraries } from '../../../src/database/embedded/binaries';
import { dataDirectoryAt } from '../../../src/database/embedded/data-directory';
import {
  DataDirectoryInUse,
  EmbeddedPostgresError,
  type EmbeddedServer,
  attachEmbedded,
  startEmbedded,
} from '../../../src/database/embedded/embedded-postgres';
import { claim } from '../../../src/database/embedded/owner';

jest.setTimeout(60_000);

const REPOSITORY = resolve(__dirname, '../../..');
const isRoot = process.getuid?.() === 0;
const itAsRoot = isRoot ? it : it.skip;
/** Where a process's parent can be read from /proc. */
const itOnLinux = process.platform === 'linux' ? it : it.skip;

/** A cluster that is thrown away need not wait for the disk; where a kill is tested it stays durable. */
const FAST = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/** Started as a program of its own: owns a server, adds a row, says so, and waits to be killed. */
const OWNER_PROGRAM = `
  const { transformSync } = require('@swc/core');
  require.extensions['.ts'] = (module, filename) => {
    const jsc = { parser: { syntax: 'typescript' }, target: 'es2022' };
    const source = require('node:fs').readFileSync(filename, 'utf8');
    module._compile(transformSync(source, { filename, jsc, module: { type: 'commonjs' } }).code, filename);
  };
  const { startEmbedded } = require('./src/database/embedded/embedded-postgres.ts');
  const { Client } = require('pg');
  (async () => {
    const server = await startEmbedded({ dataDir: process.argv[1] });
    const client = new Client(server.url);
    client.on('error', () => {});
    await client.connect();
    await client.query('create table if not exists kept (note text)');
    await client.query("insert into kept values ('committed before the kill')");
    process.on('SIGINT', () => console.log('interrupted'));
    console.log(server.url);
    setInterval(() => {}, 1000);
  })().catch((error) => { console.log(error.name + ': ' + error.message); process.exit(1); });
`;

let scratch: string;
let dataDir: string;
const running: EmbeddedServer[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'holdfast-embedded-'));
  makePassable(scratch);
  dataDir = join(scratch, 'data');
});

afterEach(async () => {
  for (const child of children.splice(0)) if (isAlive(child)) child.kill('SIGKILL');
  for (const server of running.splice(0)) await server.stop();
  await eventually(() => !serverOf(dataDir));
  rmSync(scratch, { recursive: true, force: true, maxRetries: 10 });
});

describe('an embedded server', () => {
  it('starts in an empty directory and answers on 127.0.0.1 with a password', async () => {
    const server = await start();
    const url = new URL(server.url);

    expect(server.url).toMatch(/^postgres:\/\/holdfast:[\w-]{20,}@127\.0\.0\.1:\d+\/holdfast\?sslmode=disable$/);
    expect(await rows(server.url, 'select current_user as me, current_database() as db')).toEqual([
      { me: 'holdfast', db: 'holdfast' },
    ]);
    url.password = 'wrong';
    await expect(rows(url.href, 'select 1')).rejects.toThrow(/password authentication failed/);
    expect(statSync(join(dataDir, 'postgres.password')).mode & 0o777).toBe(0o600);
  });

  it('is durable and keeps its time in UTC unless told otherwise', async () => {
    const server = await start({});
    const settings = `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
      current_setting('timezone') as timezone, current_setting('listen_addresses') as listens,
      current_setting('unix_socket_directories') as sockets`;

    expect(await rows(server.url, settings)).toEqual([
      { fsync: 'on', commit: 'on', timezone: 'UTC', listens: '127.0.0.1', sockets: '' },
    ]);
    expect(readdirSync(dataDir).filter((name) => name.startsWith('postgres.initializing-'))).toEqual([]);
  });

  it('keeps its data over a restart', async () => {
    const first = await start();
    await rows(first.url, 'create table kept as select 42 as answer');
    await first.stop();
    const second = await start();

    expect(await rows(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  it('ignores case outside ASCII whatever the machine speaks', async () => {
    const server = await start();

    expect(
      await rows(server.url, `select 'ÅNGSTRÖM' ilike 'ångström' as swedish, 'ЖУК' ilike '%жу%' as russian`),
    ).toEqual([{ swedish: true, russian: true }]);
  });

  it('stops cleanly: no server, no owner file, and stopping twice is the same', async () => {
    const server = await start();
    const port = portOf(server.url);
    await Promise.all([server.stop(), server.stop()]);

    expect(await listens(port)).toBe(false);
    expect(existsSync(join(dataDir, 'postgres.owner'))).toBe(false);
    expect(readFileSync(join(dataDir, 'postgres.log'), 'utf8')).toMatch(/database system is shut down/);
    server.announce('http://127.0.0.1:1');
    expect(existsSync(join(dataDir, 'postgres.owner'))).toBe(false);
  });

  it('begins its log anew once that has grown beyond 10 MB', async () => {
    makePassable(dataDir);
    writeFileSync(join(dataDir, 'postgres.log'), 'x'.repeat(10 * 1024 * 1024 + 1));
    await start();

    expect(statSync(join(dataDir, 'postgres.log')).size).toBeLessThan(100_000);
  });

  it('says so when the server ends without being asked', async () => {
    const notices: string[] = [];
    let ended = 0;
    await start(FAST, notices, () => (ended += 1));
    process.kill(serverOf(dataDir)!, 'SIGINT');

    await eventually(() => notices.some((notice) => notice.includes('ended by itself')) && ended === 1);
  });
});

describe('one owner at a time', () => {
  it('refuses a second start, naming the process and its URL, and leaves the first one running', async () => {
    const first = await start();
    first.announce('http://127.0.0.1:3000');
    const refusal = await refusalOf(startEmbedded({ dataDir }));

    expect(refusal).toBeInstanceOf(DataDirectoryInUse);
    expect(refusal).toMatchObject({ pid: process.pid, apiUrl: 'http://127.0.0.1:3000' });
    expect(refusal.message).toContain(String(process.pid));
    expect(refusal.message).toContain('http://127.0.0.1:3000');
    expect(await rows(first.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('refuses the data directory of another live process', async () => {
    const owner = await startOwner();

    expect(await refusalOf(startEmbedded({ dataDir }))).toMatchObject({ name: 'DataDirectoryInUse', pid: owner.pid });
    expect(await listens(portOf(owner.url))).toBe(true);
  });

  it('lets exactly one of several simultaneous starts win, and leaves nothing lying about', async () => {
    makePassable(dataDir);
    writeFileSync(join(dataDir, 'postgres.owner'), JSON.stringify({ pid: process.pid, startedAt: 'earlier' }));
    const starts = await Promise.allSettled(Array.from({ length: 6 }, () => start()));
    const refusals = starts.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []));

    expect(refusals.map((refusal) => refusal.name)).toEqual(Array(5).fill('DataDirectoryInUse'));
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log', 'postgres.owner', 'postgres.password']);
  });

  it('lets exactly one take over from a dead owner, however the takeovers overlap', async () => {
    makePassable(dataDir);
    const directory = dataDirectoryAt(dataDir);
    for (let round = 0; round < 100; round += 1) {
      writeFileSync(directory.ownerFile, JSON.stringify({ pid: process.pid, startedAt: 'earlier', round }));
      const claims = await Promise.allSettled(
        Array.from({ length: 6 }, async (_, place) => {
          // Each comes a little later than the one before, by another little in each round.
          for (let turn = 0; turn < place * (round % 20); turn += 1) await new Promise(setImmediate);
          return claim(directory);
        }),
      );
      const winners = claims.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
      const refusals = claims.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []));

      expect(winners).toHaveLength(1);
      expect(refusals.map((refusal) => refusal.name)).toEqual(Array(5).fill('DataDirectoryInUse'));
      await winners[0]!.release();
      expect(readdirSync(dataDir)).toEqual([]);
    }
  });

  itOnLinux('believes an owner in another container that touches its file, and only as long as it does', async () => {
    makePassable(dataDir);
    const directory = dataDirectoryAt(dataDir);
    const foreign = { pid: 1, startedAt: 'there', namespace: 'pid:[1]', apiUrl: 'http://there:3000' };
    writeFileSync(directory.ownerFile, JSON.stringify(foreign));
    const touching = setInterval(() => utimesSync(directory.ownerFile, new Date(), new Date()), 50);
    const refusal = await refusalOf(claim(directory, 60_000));
    clearInterval(touching);
    expect(refusal).toMatchObject({ name: 'DataDirectoryInUse', pid: 1, apiUrl: 'http://there:3000' });
    const claimed = await claim(directory, 300);
    const touchedAt = () => statSync(directory.ownerFile).mtimeMs;
    const before = touchedAt();
    await eventually(() => touchedAt() > before);
    await claimed.release();
  });

  it('attaches to the running server, and to nothing where none runs', async () => {
    expect(await attachEmbedded(dataDir)).toBeUndefined();
    const server = await start();
    const attached = await attachEmbedded(dataDir);
    await server.stop();

    expect(attached).toBe(server.url);
    expect(await attachEmbedded(dataDir)).toBeUndefined();
  });

  it('does not attach to a server whose owner is dead', async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'postgres.password'), 'secret\n');
    writeFileSync(join(dataDir, 'postgres.owner'), JSON.stringify({ pid: process.pid, startedAt: 'earlier', port: 1 }));

    expect(await attachEmbedded(dataDir)).toBeUndefined();
  });
});

describe('after a kill', () => {
  it('survives the Ctrl-C that reaches every process at the terminal, so that its owner can finish first', async () => {
    const owner = await startOwner();
    process.kill(-owner.pid, 'SIGINT');
    const [said] = (await once(owner.child.stdout!, 'data')) as [Buffer];

    expect(said.toString('utf8').trim()).toBe('interrupted');
    expect(await rows(owner.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('takes the server down within 2 s of its owner, and the next start has what was committed', async () => {
    const owner = await startOwner();
    owner.child.kill('SIGKILL');
    const killedAt = performance.now();
    await eventually(async () => !(await listens(portOf(owner.url))), 2_000);
    expect(performance.now() - killedAt).toBeLessThan(2_000);

    const next = await start({});
    expect(await rows(next.url, 'select note from kept')).toEqual([{ note: 'committed before the kill' }]);
  });

  it('starts again at once, while the watchdog is still stopping the old server', async () => {
    const owner = await startOwner();
    owner.child.kill('SIGKILL');
    await once(owner.child, 'exit');

    const next = await start({});
    expect(await rows(next.url, 'select note from kept')).toEqual([{ note: 'committed before the kill' }]);
  });

  itOnLinux('stops a server that lost its owner and its watchdog, and says so', async () => {
    const owner = await startOwner();
    const server = serverOf(dataDir)!;
    process.kill(parentOf(server), 'SIGKILL');
    owner.child.kill('SIGKILL');
    await once(owner.child, 'exit');
    expect(await listens(portOf(owner.url))).toBe(true);
    const notices: string[] = [];
    const next = await start({}, notices);

    expect(notices).toEqual([expect.stringContaining(`process ${server}`)]);
    expect(await rows(next.url, 'select note from kept')).toEqual([{ note: 'committed before the kill' }]);
  });

  it('recovers when the server itself was killed, and its backends with it', async () => {
    const owner = await startOwner();
    process.kill(serverOf(dataDir)!, 'SIGKILL');
    owner.child.kill('SIGKILL');
    await once(owner.child, 'exit');

    const next = await start({});
    expect(await rows(next.url, 'select note from kept')).toEqual([{ note: 'committed before the kill' }]);
  });

  it('waits for a busy backend that outlives its killed server', async () => {
    const first = await start();
    const busy = rows(
      first.url,
      `do $$ declare began timestamptz := clock_timestamp();
       begin while clock_timestamp() < began + interval '1500 ms' loop end loop; end $$`,
    ).catch(() => undefined);
    const count = `select count(*)::int as busy from pg_stat_activity where query like 'do $$%'`;
    await eventually(async () => (await rows(first.url, count))[0]!['busy'] === 1);
    process.kill(serverOf(dataDir)!, 'SIGKILL');
    await first.stop();
    const next = await start();
    await busy;

    expect(await rows(next.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(readFileSync(join(dataDir, 'postgres.log'), 'utf8')).toContain('pre-existing shared memory block');
  });

  it('starts when the pid of the dead server has gone to another process', async () => {
    await (await start()).stop();
    const cluster = join(dataDir, 'postgres');
    const { uid } = statSync(cluster); // a stranger of the same account, whom the server would believe to be itself
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { uid, stdio: 'ignore' });
    children.push(stranger);
    await once(stranger, 'spawn');
    const pidFile = `${stranger.pid}\n${cluster}\n1\n5432\n\n127.0.0.1\n0 0\nready\n`;
    writeFileSync(join(cluster, 'postmaster.pid'), pidFile, { mode: 0o644 });
    const server = await start();

    expect(await rows(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('begins afresh when the first start died in the middle of initdb', async () => {
    const child = spawnOwner();
    await eventually(() => drafts().some((draft) => existsSync(join(dataDir, draft, 'PG_VERSION'))));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false);
    const server = await start();

    expect(await rows(server.url, 'select count(*)::int as n from pg_database')).toEqual([{ n: 4 }]);
  });
});

describe('a start that cannot be', () => {
  it('refuses a directory that cannot be written, with the way out', async () => {
    let unwritable: string;
    if (isRoot) {
      // Rights do not stop root; a file where a directory should be does.
      writeFileSync(join(scratch, 'file'), '');
      unwritable = join(scratch, 'file', 'data');
    } else {
      unwritable = dataDir;
      mkdirSync(unwritable, { mode: 0o500 });
    }
    const refusal = await refusalOf(startEmbedded({ dataDir: unwritable }));

    expect(refusal).toBeInstanceOf(EmbeddedPostgresError);
    expect(refusal.message).toContain(unwritable);
    expect(refusal.message).toMatch(/HOLDFAST_DATA_DIR.*DATABASE_URL/);
  });

  it('refuses the data of a newer version and leaves it and the directory alone', async () => {
    mkdirSync(join(dataDir, 'postgres'), { recursive: true });
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '99\n');
    const refusal = await refusalOf(startEmbedded({ dataDir }));

    expect(refusal).toBeInstanceOf(EmbeddedPostgresError);
    expect(refusal.message).toMatch(/PostgreSQL 99.*brings \d+.*newer release/);
    expect(readdirSync(join(dataDir, 'postgres'))).toEqual(['PG_VERSION']);
    expect(readdirSync(dataDir)).toEqual(['postgres']);
  });

  it('refuses a directory of something else', async () => {
    mkdirSync(join(dataDir, 'postgres'), { recursive: true });
    writeFileSync(join(dataDir, 'postgres', 'diary.txt'), 'dear diary');

    expect((await refusalOf(startEmbedded({ dataDir }))).message).toContain('is not a PostgreSQL data directory');
    expect(readdirSync(join(dataDir, 'postgres'))).toEqual(['diary.txt']);
  });

  it('does not begin an empty database where a link leads nowhere', async () => {
    mkdirSync(dataDir);
    symlinkSync(join(scratch, 'unmounted'), join(dataDir, 'postgres'));

    expect((await refusalOf(startEmbedded({ dataDir }))).message).toContain('cannot be found');
  });

  it('refuses a database whose password is missing, or is not its own', async () => {
    await (await start()).stop();
    rmSync(join(dataDir, 'postgres.password'));
    expect((await refusalOf(startEmbedded({ dataDir }))).message).toMatch(/password file .* is missing/);
    writeFileSync(join(dataDir, 'postgres.password'), 'another');

    expect((await refusalOf(startEmbedded({ dataDir }))).message).toContain('refused its own user');
    expect(serverOf(dataDir)).toBeUndefined();
  });

  it('passes on why the server would not start, and can be tried again', async () => {
    const refusal = await refusalOf(startEmbedded({ dataDir, settings: { ...FAST, shared_buffers: 'plenty' } }));
    expect(refusal).toBeInstanceOf(EmbeddedPostgresError);
    expect(refusal.message).toMatch(/invalid value for parameter "shared_buffers".*DATABASE_URL/);

    await start();
  });
});

describe('where things are', () => {
  it('makes the library links that a skipped install script left out, and needs no right to when they exist', async () => {
    const native = join(scratch, 'native');
    mkdirSync(join(native, 'lib'), { recursive: true });
    writeFileSync(join(native, 'lib', 'libpq.so.5.17'), 'library');
    const list = [{ source: 'native/lib/libpq.so.5.17', target: 'native/lib/libpq.so.5' }];
    writeFileSync(join(native, 'pg-symlinks.json'), JSON.stringify(list));
    await linkLibraries(native);
    chmodSync(join(native, 'lib'), 0o500);
    await linkLibraries(native);
    chmodSync(join(native, 'lib'), 0o700);

    expect(readlinkSync(join(native, 'lib', 'libpq.so.5'))).toBe('libpq.so.5.17');
  });

  itAsRoot(
    'keeps the database elsewhere when the account cannot enter the data directory, and says where',
    async () => {
      chmodSync(scratch, 0o700);
      const notices: string[] = [];
      const first = await start(FAST, notices);
      const elsewhere = dirname(realpathSync(join(dataDir, 'postgres')));
      try {
        expect(lstatSync(join(dataDir, 'postgres')).isSymbolicLink()).toBe(true);
        expect(elsewhere.startsWith(scratch)).toBe(false);
        expect(notices).toEqual([expect.stringContaining(elsewhere)]);
        await rows(first.url, 'create table kept as select 42 as answer');
        await first.stop();
        const second = await start();
        expect(await rows(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
        await second.stop();
      } finally {
        await first.stop();
        rmSync(elsewhere, { recursive: true });
      }
    },
  );
});

/** As root the server runs as another account, which has to pass. */
function makePassable(directory: string): void {
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o755);
}

async function start(
  settings: Record<string, string> = FAST,
  notices: string[] = [],
  onEnd?: () => void,
): Promise<EmbeddedServer> {
  const server = await startEmbedded({ dataDir, settings, onNotice: (notice) => notices.push(notice), onEnd });
  running.push(server);
  return server;
}

function spawnOwner(): ChildProcess {
  const child = spawn(process.execPath, ['-e', OWNER_PROGRAM, dataDir], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true, // a process group of its own, as at a terminal
  });
  children.push(child);
  return child;
}

async function startOwner(): Promise<{ child: ChildProcess; pid: number; url: string }> {
  const child = spawnOwner();
  const [said] = (await once(child.stdout!, 'data')) as [Buffer];
  const url = said.toString('utf8').trim();
  expect(url).toMatch(/^postgres:/);
  return { child, pid: child.pid!, url };
}

async function refusalOf(attempt: Promise<unknown>): Promise<Error> {
  return attempt.then(
    (server) => {
      running.push(server as EmbeddedServer);
      throw new Error('it started');
    },
    (error: Error) => error,
  );
}

async function rows(url: string, sql: string): Promise<QueryResultRow[]> {
  const client = new Client({ connectionString: url, ssl: false });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows as QueryResultRow[];
  } finally {
    await client.end();
  }
}

async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${holds.toString()}`);
    await pause(10);
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      answer(true);
    });
    socket.once('error', () => answer(false));
  });
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function drafts(): string[] {
  return existsSync(dataDir) ? readdirSync(dataDir).filter((name) => /^postgres\.initializing-[^.]+$/.test(name)) : [];
}

/** The pid of the live server on this data directory. */
function serverOf(directory: string): number | undefined {
  const pidFile = join(directory, 'postgres', 'postmaster.pid');
  if (!existsSync(pidFile)) return undefined;
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  return existsSync(`/proc/${pid}/exe`) || process.platform !== 'linux' ? pid : undefined;
}

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
