import type { KeptAlive } from '../world/kept-alive';
import type { Direction } from '../world/wire';
import type { World } from '../world/world';

/**
 * How far an order has come in a worker, told from outside by what passes on the worker's wires; `seen` stands for bytes
 * held up in our hand: the one they are for has not got them yet.
 *
 * - `claimed`: the database has committed the claim, the worker has not heard of it
 * - `calling`: the purchase has left the worker, and has not reached the vendor
 * - `called`: the vendor has got the purchase
 * - `answering`: the vendor's answer is seen
 * - `concluding`: the first statement that records the answer is seen
 * - `concluded`: the database has committed the outcome, the worker has not heard of it
 * - `acking`: an acknowledgement to the broker is seen
 * - `publishing`: the relay's message to the broker is seen
 * - `confirmed`: the broker's confirm is seen; the message is still in the outbox
 */
export const WORKER_POINTS = [
  'claimed',
  'calling',
  'called',
  'answering',
  'concluding',
  'concluded',
  'acking',
  'publishing',
  'confirmed',
] as const;
export type WorkerPoint = (typeof WORKER_POINTS)[number];

type Step = 'delivered' | 'claiming' | 'claimed' | 'answered' | 'concluding' | 'concluded';
interface Trace {
  worker: KeptAlive;
  step: Step;
  /** The database connection that has its statement. */
  connection: number;
}

const ORDER_ID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** PostgreSQL's ReadyForQuery outside a transaction: whatever was sent on the connection is committed, or undone. */
const COMMITTED = Buffer.from('5a0000000549', 'hex');
/** AMQP method frames: type, channel, size, class 60, method. */
const ACK = /\x01[^]{2}\x00\x00\x00\x0d\x00\x3c\x00\x50/;
const PUBLISH = /\x01[^]{2}[^]{4}\x00\x3c\x00\x28/;

/**
 * Follows every order through the workers until it is stopped. At each point `strike` says whether what is seen goes on (of
 * acknowledgements and of the relay's bytes it is not known which order they are about);
 * an order whose bytes fell on two chunks is missed, and the next one is not.
 */
export class Trail {
  private readonly traces = new Map<string, Trace>();

  constructor(
    private readonly world: World,
    private readonly strike: (point: WorkerPoint, worker: KeptAlive, orderId?: string) => 'pass' | 'drop',
  ) {
    for (const worker of world.workers) {
      worker.wires.database!.watch((chunk, direction, connection) =>
        this.database(worker, chunk, direction, connection),
      );
      worker.wires.broker!.watch((chunk, direction) => this.broker(worker, chunk, direction));
    }
    world.counter.watch((stage, orderId) => {
      const trace = this.traces.get(orderId);
      if (!trace) return 'pass';
      if (stage === 'answering') trace.step = 'answered';
      return this.strike(stage, trace.worker, orderId);
    });
  }

  stop(): void {
    for (const { wires } of this.world.workers)
      for (const wire of [wires.database, wires.broker]) wire!.watch(undefined);
    this.world.counter.watch(undefined);
  }

  private broker(worker: KeptAlive, chunk: Buffer, direction: Direction): 'pass' | 'drop' {
    const text = chunk.toString('latin1');
    if (direction === 'out') {
      if (ACK.test(text)) return this.strike('acking', worker);
      return PUBLISH.test(text) ? this.strike('publishing', worker) : 'pass';
    }
    for (const [orderId] of text.matchAll(ORDER_ID))
      this.traces.set(orderId, { worker, step: 'delivered', connection: 0 });
    return ACK.test(text) ? this.strike('confirmed', worker) : 'pass';
  }

  private database(worker: KeptAlive, chunk: Buffer, direction: Direction, connection: number): 'pass' | 'drop' {
    if (direction === 'in') return chunk.includes(COMMITTED) ? this.committed(worker, connection) : 'pass';
    for (const [orderId] of chunk.toString('latin1').matchAll(ORDER_ID)) {
      const trace = this.traces.get(orderId);
      if (trace?.worker !== worker) continue;
      if (trace.step === 'delivered') Object.assign(trace, { step: 'claiming', connection });
      if (trace.step !== 'answered') continue;
      Object.assign(trace, { step: 'concluding', connection });
      return this.strike('concluding', worker, orderId);
    }
    return 'pass';
  }

  private committed(worker: KeptAlive, connection: number): 'pass' | 'drop' {
    for (const [orderId, trace] of this.traces) {
      if (trace.worker !== worker || trace.connection !== connection) continue;
      if (trace.step !== 'claiming' && trace.step !== 'concluding') continue;
      trace.step = trace.step === 'claiming' ? 'claimed' : 'concluded';
      return this.strike(trace.step, worker, orderId);
    }
    return 'pass';
  }
}
