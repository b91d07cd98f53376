import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A port that stays the same while what is behind it stops, starts and moves. */
export class TcpProxy {
  private target: number | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async listen(): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new TcpProxy(server, (server.address() as { port: number }).port);
    server.on('connection', (socket) => proxy.forward(socket));
    return proxy;
  }

  forwardTo(port: number): void {
    this.target = port;
  }

  /** Cuts every connection and refuses new ones until `forwardTo`. */
  cut(): void {
    this.target = undefined;
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  private forward(client: Socket): void {
    if (this.target === undefined) return void client.destroy();
    const upstream = connect(this.target, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
