import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { freePort } from './ports';

const DEFAULT_URL = 'amqp://guest:guest@127.0.0.1:5672';
/** Not the one on the PATH: Debian's insists on being root or its own account. */
const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
/**
 * Runs the server until it ends, and kills the whole process group when our end of descriptor 3 closes: a test run that
 * is killed leaves no broker behind.
 */
const SUPERVISED = `trap : TERM
"$0" 3<&- & server=$!
{ cat <&3 >/dev/null; epmd -kill >/dev/null 2>&1; kill -KILL 0; } &
while kill -0 $server 2>/dev/null; do wait $server; done`;
const LOGIN_TIMEOUT_MS = 3_000;
/** A node alone takes 6 s here; on a machine busy with other suites several times that. */
const NODE_START_DEADLINE_MS = 90_000;

export interface FoundBroker {
  url: string;
  /** For the last lines of a test run: where it came from. */
  source: string;
  /** Only for one that was started here. */
  stop?: () => Promise<void>;
}

/** The broker that the suites share: `RABBITMQ_URL`, else the machine's, else a private one, else none. */
export async function findBroker(): Promise<FoundBroker | undefined> {
  const configured = process.env.RABBITMQ_URL;
  if (configured) return { url: configured, source: 'RABBITMQ_URL' };
  if (await loginWorks(DEFAULT_URL)) return { url: DEFAULT_URL, source: 'the broker on 127.0.0.1:5672' };
  if (!canStartBroker()) return undefined;
  const broker = await privateBroker();
  return { url: broker.url, source: `a private broker from ${SERVER}`, stop: () => broker.remove() };
}

export function canStartBroker(): boolean {
  return existsSync(SERVER);
}

/** A prefix of its own for each test, so that suites share a broker, and what of it there is to remove afterwards. */
export function randomPrefix(): string {
  return `holdfast-test-${randomBytes(6).toString('hex')}`;
}

export async function removePrefix(url: string, prefix: string, vendorIds: string[]): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  for (const vendorId of vendorIds) await channel.deleteQueue(`${prefix}.orders.${vendorId}`);
  await channel.deleteQueue(`${prefix}.dead`);
  await channel.deleteExchange(`${prefix}.orders`);
  await channel.deleteExchange(`${prefix}.dead`);
  await connection.close();
}

async function loginWorks(url: string): Promise<boolean> {
  try {
    const connection = await connect(url, { timeout: LOGIN_TIMEOUT_MS });
    await connection.close();
    return true;
  } catch {
    return false;
  }
}

/** A node of our own, on ports of its own, that may be stopped and killed. Its data survive until `remove`. */
export class PrivateBroker {
  readonly directory = mkdtempSync(join(tmpdir(), 'holdfast-rabbitmq-'));
  private readonly node = `holdfast-${randomBytes(4).toString('hex')}@localhost`;
  private server: ChildProcess | undefined;
  /** How many files and sockets it may have open, from its next start; the machine's limit unless said. */
  descriptorsMax: number | undefined;

  constructor(
    private readonly port: number,
    private readonly distributionPort: number,
    /** Erlang's own name server, so that the machine's is neither needed nor left running. */
    private readonly namesPort: number,
    /** Where it tells Prometheus of itself, if anywhere. */
    metricsPort?: number,
  ) {
    for (const name of ['home', 'mnesia', 'log']) mkdirSync(join(this.directory, name));
    const configuration = [
      `listeners.tcp.default = 127.0.0.1:${port}`,
      'vm_memory_high_watermark.relative = 0.4',
      'disk_free_limit.absolute = 50MB',
    ];
    const telling =
      metricsPort === undefined ? [] : ['prometheus.tcp.ip = 127.0.0.1', `prometheus.tcp.port = ${metricsPort}`];
    writeFileSync(join(this.directory, 'rabbitmq.conf'), [...configuration, ...telling].join('\n'));
    const plugins = metricsPort === undefined ? '' : 'rabbitmq_prometheus';
    writeFileSync(join(this.directory, 'enabled_plugins'), `[${plugins}].\n`);
  }

  get url(): string {
    return `amqp://guest:guest@127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const output: Buffer[] = [];
    const limit = this.descriptorsMax === undefined ? '' : `ulimit -n ${this.descriptorsMax}\n`;
    const server = spawn('/bin/sh', ['-c', limit + SUPERVISED, SERVER], {
      env: this.environment(),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    server.stdout!.on('data', (chunk: Buffer) => output.push(chunk));
    server.stderr!.on('data', (chunk: Buffer) => output.push(chunk));
    this.server = server;
    const deadline = Date.now() + NODE_START_DEADLINE_MS;
    while (!(await loginWorks(this.url))) {
      if (server.exitCode !== null || Date.now() > deadline) {
        throw new Error(`The private broker did not start:\n${Buffer.concat(output).toString()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  stop(): Promise<void> {
    return this.end('SIGTERM');
  }

  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  /** Runs rabbitmqctl against this node. */
  control(...args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(
        join(SERVER, '../rabbitmqctl'),
        ['-n', this.node, ...args],
        { env: this.environment() },
        (error, stdout) => (error ? reject(error) : resolve(stdout)),
      );
    });
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    await new Promise((resolve) => execFile('epmd', ['-port', String(this.namesPort), '-kill'], resolve));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** The process group is ours alone. */
  private async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = new Promise((resolve) => server.once('exit', resolve));
    process.kill(-server.pid, signal);
    await exited;
    (server.stdio[3] as Socket).destroy();
  }

  private environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      HOME: join(this.directory, 'home'),
      ERL_EPMD_PORT: String(this.namesPort),
      // Or it refuses to end while it remembers a node that was killed.
      ERL_EPMD_RELAXED_COMMAND_CHECK: '1',
      RABBITMQ_NODENAME: this.node,
      RABBITMQ_DIST_PORT: String(this.distributionPort),
      RABBITMQ_CONFIG_FILE: join(this.directory, 'rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.directory, 'enabled_plugins'),
      RABBITMQ_MNESIA_BASE: join(this.directory, 'mnesia'),
      RABBITMQ_LOG_BASE: join(this.directory, 'log'),
      RABBITMQ_PID_FILE: join(this.directory, 'pid'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
    };
  }
}

/** Started, unless asked not to be. */
export async function privateBroker({
  started = true,
  metricsPort,
}: { started?: boolean; metricsPort?: number } = {}): Promise<PrivateBroker> {
  const broker = new PrivateBroker(await freePort(), await freePort(), await freePort(), metricsPort);
  if (started) await broker.start();
  return broker;
}

/** A wire to a broker that can be cut: every connection through it dies at once, without a goodbye. */
export class Wire {
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((near) => this.join(near));
  url = '';
  /** How many there have been. */
  connections = 0;

  constructor(private readonly target: string) {}

  async open(): Promise<this> {
    const { username, password, pathname } = new URL(this.target);
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `amqp://${username}:${password}@127.0.0.1:${(this.server.address() as { port: number }).port}${pathname}`;
    return this;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Nobody can connect until `reopen`. */
  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async reopen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(Number(new URL(this.url).port), '127.0.0.1', resolve));
  }

  private join(near: Socket): void {
    this.connections += 1;
    const { hostname, port } = new URL(this.target);
    const far = connectTcp(Number(port || 5672), hostname);
    for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
