import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * When a connection is lost at its COMMIT: before it reaches the server, after the server has carried it out, in between
 * (the client knows of the loss at once, and the server gets the COMMIT when the test lets it), or in the statement (the
 * server has it in hand already).
 */
export type Loss = 'before' | 'after' | 'in between' | 'in the statement';

/** What ends a transaction: COMMIT, or a statement that is a transaction by itself. */
const ENDS = {
  /** A simple query of the PostgreSQL protocol: its letter, four bytes of length, the text. */
  COMMIT: /^Q[^]{4}COMMIT\0$/,
  statement: /place-if-all-fit\0/,
};

/** Stands between clients and their database, and loses connections at the worst moment. */
export class CommitProxy {
  private loss: Loss | undefined;
  private end = ENDS.COMMIT;
  private readonly sockets = new Set<Socket>();
  /** Lets the COMMIT through that a loss in between has kept back; resolves when the server has carried it out. */
  deliver: () => Promise<void> = () => Promise.resolve();

  private constructor(
    private readonly server: Server,
    /** The database's own address, by way of here. */
    readonly url: string,
  ) {}

  static async listen(databaseUrl: string): Promise<CommitProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(databaseUrl);
    const databasePort = Number(url.port);
    url.port = String((server.address() as { port: number }).port);
    const proxy = new CommitProxy(server, url.toString());
    server.on('connection', (client) => proxy.join(client, connect(databasePort, '127.0.0.1')));
    return proxy;
  }

  loseNextCommit(loss: Loss, end: keyof typeof ENDS): void {
    this.loss = loss;
    this.end = ENDS[end];
  }

  get lost(): boolean {
    return this.loss === undefined;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket, database: Socket): void {
    for (const socket of [client, database]) {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => socket.destroy());
    }
    database.on('close', () => client.destroy());
    const end = (): unknown => database.end();
    client.on('close', end);
    database.pipe(client);
    client.on('data', (sent) => {
      const { loss } = this;
      if (loss === undefined || !this.end.test(sent.toString('latin1'))) return void database.write(sent);
      this.loss = undefined;
      database.unpipe(client);
      // Once the server has hung up it has undone the transaction, or answered that it is done; nobody hears it.
      if (loss === 'before') return void database.end().resume();
      if (loss === 'after')
        return void database
          .once('data', () => client.destroy())
          .resume()
          .write(sent);
      client.off('close', end).destroy();
      if (loss === 'in the statement') return void database.resume().write(sent);
      this.deliver = async () => {
        const done = once(database, 'close');
        database.resume().end(sent);
        await done;
      };
    });
  }
}
