import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';

/** What a purchase call is about to do: arrive at the vendor, or come back from it. */
export type CallStage = 'calling' | 'called' | 'answering';
/** `drop`: it goes no further, and nobody is told. */
export type CallWatcher = (stage: CallStage, reference: string) => 'pass' | 'drop';

/** What reached a vendor's counter about an order, when, and how it was answered. */
export interface Call {
  kind: 'purchase' | 'lookUp' | 'cancel';
  reference: string;
  /** Monotonic. */
  atMs: number;
  status?: number;
}

const KINDS: Record<string, Call['kind']> = { POST: 'purchase', GET: 'lookUp', DELETE: 'cancel' };
const ORDER_ID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/;

/** Stands between the workers and all vendors, knows a purchase when it sees one, and can be closed. */
export class VendorCounter {
  /** Every call about an order so far, oldest first. */
  readonly calls: Call[] = [];
  private watcher: CallWatcher = () => 'pass';

  private constructor(
    private readonly server: Server,
    private readonly vendorsPort: number,
    readonly port: number,
  ) {}

  static async listen(vendorsPort: number): Promise<VendorCounter> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const counter = new VendorCounter(server, vendorsPort, (server.address() as { port: number }).port);
    server.on('request', (asked, answer) => void counter.pass(asked, answer));
    return counter;
  }

  watch(watcher: CallWatcher | undefined): void {
    this.watcher = watcher ?? (() => 'pass');
  }

  /** Nobody can connect until `open`: a call that is refused was certainly not sent. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  async open(): Promise<void> {
    if (this.server.listening) return;
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  private async pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await bodyOf(asked).catch(() => undefined);
    if (body === undefined) return;
    const call = this.noteCall(asked, body);
    const goesOn = (stage: CallStage): boolean =>
      call?.kind !== 'purchase' || this.watcher(stage, call.reference) === 'pass';
    if (!goesOn('calling')) return;
    const { method, url, headers } = asked;
    const onward = request({ host: '127.0.0.1', port: this.vendorsPort, method, path: url, headers });
    onward.on('error', () => asked.socket.destroy());
    onward.on('response', (answered) => {
      if (call) call.status = answered.statusCode!;
      if (!goesOn('answering')) return void answered.resume();
      answer.writeHead(answered.statusCode!, answered.headers);
      answered.on('error', () => asked.socket.destroy());
      answered.pipe(answer);
    });
    answer.on('close', () => onward.destroyed || answer.writableFinished || onward.destroy());
    onward.end(body, () => void goesOn('called'));
  }

  private noteCall({ method, url }: IncomingMessage, body: Buffer): Call | undefined {
    const reference = ORDER_ID.exec(url! + body.toString('latin1'))?.[0];
    if (reference === undefined) return undefined;
    const call: Call = { kind: KINDS[method!]!, reference, atMs: performance.now() };
    this.calls.push(call);
    return call;
  }
}

async function bodyOf(asked: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of asked) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
