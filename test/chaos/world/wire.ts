import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** `out`: from the process to the server behind the wire; `in`: back. */
export type Direction = 'out' | 'in';
/** Sees every chunk of a connection (a number of its own each) before it goes on; `drop` keeps it back for ever. */
export type Watcher = (chunk: Buffer, direction: Direction, connection: number) => 'pass' | 'drop';

interface Joint {
  near: Socket;
  far: Socket;
}

/**
 * The wire from one process to one server: an address that stays while the server behind it stops and moves, and a place
 * where everything can go wrong that can go wrong on a wire.
 */
export class Wire {
  private target: number | undefined;
  private readonly joints = new Set<Joint>();
  private watcher: Watcher | undefined;
  private delayMs = 0;
  private stalled = false;
  private count = 0;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async listen(): Promise<Wire> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const wire = new Wire(server, (server.address() as { port: number }).port);
    server.on('connection', (near) => wire.join(near));
    return wire;
  }

  /** Of a server's URL: the same by way of here. */
  urlBy(serverUrl: string): string {
    const url = new URL(serverUrl);
    url.port = String(this.port);
    return url.toString();
  }

  forwardTo(port: number): void {
    this.target = port;
  }

  /** Every connection dies at once, without a goodbye. */
  cut(): void {
    for (const { near, far } of this.joints) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Refuses connections until `forwardTo`. */
  refuse(): void {
    this.target = undefined;
    this.cut();
  }

  /** A black hole: nothing passes and nobody is told, of new connections neither. */
  stall(): void {
    this.stalled = true;
    for (const { near, far } of this.joints) for (const socket of [near, far]) socket.pause();
  }

  /** What was under way comes through after all; whoever has hung up meanwhile is hung up on. */
  resume(): void {
    this.stalled = false;
    for (const { near, far } of this.joints) {
      if (near.destroyed || far.destroyed) for (const socket of [near, far]) socket.destroy();
      else for (const socket of [near, far]) socket.resume();
    }
  }

  /** Each way. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  watch(watcher: Watcher | undefined): void {
    this.watcher = watcher;
  }

  async close(): Promise<void> {
    this.refuse();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(near: Socket): void {
    if (this.target === undefined) return void near.resetAndDestroy();
    const joint = { near, far: connect(this.target, '127.0.0.1') };
    const connection = (this.count += 1);
    this.joints.add(joint);
    this.carry(joint, near, joint.far, (chunk) => this.watcher?.(chunk, 'out', connection));
    this.carry(joint, joint.far, near, (chunk) => this.watcher?.(chunk, 'in', connection));
    if (this.stalled) for (const socket of [near, joint.far]) socket.pause();
  }

  private carry(joint: Joint, from: Socket, to: Socket, watch: (chunk: Buffer) => string | undefined): void {
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      if (watch(chunk) === 'drop') return;
      if (this.delayMs === 0) to.write(chunk);
      else setTimeout(() => void (to.destroyed || to.write(chunk)), this.delayMs);
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      // In a black hole the other side does not hear of it.
      if (this.stalled && !to.destroyed) return;
      this.joints.delete(joint);
      to.destroy();
    });
  }
}
