import type { ConfirmChannel } from 'amqplib';
import { failed } from '../../../observability/spans';
import type { Message } from '../../message';
import { publishing } from '../../message-spans';
import { settledWithin } from '../../../lifecycle/settled-within';
import { RabbitConnection } from './connection';
import { declareAlone } from './declaring';
import type { Topology } from './topology';
import { toWire } from './wire-format';

/** Well beyond what a loaded quorum queue takes, well within the relay's lease. */
const CONFIRM_DEADLINE_MS = 5_000;
/** After so many batches in a row of which nothing is confirmed the connection is given up, and what it remembers with it. */
const SILENT_BATCHES_MAX = 3;
/** A broker in need may never answer a declaration: then the relay looks again, and the question stays the same. */
const READY_MS_MAX = 2_000;

export interface Published<Item> {
  /** In a queue, and the broker has said so. */
  stored: Item[];
  /** Confirmed, but there is no queue for its vendor. */
  unroutable: Item[];
  /** Refused, or not confirmed in time. May be stored all the same: publishing it again is safe, handlers bear it. */
  unconfirmed: Item[];
}

/** Publishes in one pipeline (confirms one by one: 500 messages/s; a batch: 10,000) on a connection of its own. */
export class Publisher {
  readonly connection: RabbitConnection;
  /** The channel on whose connection the exchanges are declared, and whether they are. */
  private shared: { channel: ConfirmChannel; declared: Promise<void> } | undefined;
  /** A confirm does not mean routed: an unroutable message is returned first and then confirmed like any other. */
  private returned = new Set<string>();
  private silentBatches = 0;

  constructor(
    url: string,
    private readonly topology: Topology,
  ) {
    this.connection = new RabbitConnection({
      url,
      purpose: 'publish',
      returned: (messageId) => this.returned.add(messageId),
    });
  }

  /** Whether messages can be published now. Rejects if the exchanges at the broker are not ours. */
  async ready(): Promise<boolean> {
    if (this.connection.fault !== undefined) return false;
    const channel = this.connection.channel!;
    // Publishing to an exchange that is not there would take the connection down.
    const declared = this.declareShared(channel);
    return (await settledWithin(READY_MS_MAX, declared)) ? declared.then(() => true) : false;
  }

  private declareShared(channel: ConfirmChannel): Promise<void> {
    if (this.shared?.channel === channel) return this.shared.declared;
    const declared = declareAlone(this.connection, this.topology.dead, (temporary) =>
      this.topology.declareShared(temporary),
    ).catch((error: unknown) => {
      this.shared = undefined;
      throw error;
    });
    this.shared = { channel, declared };
    return declared;
  }

  /** One call at a time. Never rejects for what the broker does. */
  async publish<Item extends Message>(messages: Item[]): Promise<Published<Item>> {
    this.returned = new Set();
    const spans = messages.map((message) => publishing(message, `${this.topology.orders}.${message.vendorId}`));
    const confirmed = new Set<Item>();
    const channel = this.connection.channel;
    if (channel !== undefined) {
      const confirms = messages.map(async (message) => {
        if (await this.confirm(channel, message)) confirmed.add(message);
      });
      await settledWithin(CONFIRM_DEADLINE_MS, Promise.all(confirms));
      this.silentBatches = confirmed.size > 0 ? 0 : this.silentBatches + 1;
      if (this.silentBatches >= SILENT_BATCHES_MAX) this.hangUp();
    }
    const fateOf = (message: Item) => {
      if (!confirmed.has(message)) return 'unconfirmed';
      return this.returned.has(message.messageId) ? 'unroutable' : 'stored';
    };
    const published: Published<Item> = { stored: [], unroutable: [], unconfirmed: [] };
    for (const [index, message] of messages.entries()) {
      const fate = fateOf(message);
      published[fate].push(message);
      // One without a queue is published again every second: told each time, it would drown its trace.
      if (fate === 'unroutable') continue;
      if (fate === 'unconfirmed') failed(spans[index]!, new Error('not confirmed'));
      spans[index]!.end();
    }
    return published;
  }

  /** The library keeps every message until it is confirmed, and the relay would publish the same ones for ever. */
  private hangUp(): void {
    this.silentBatches = 0;
    this.connection.hangUp(`nothing of ${SILENT_BATCHES_MAX} batches was confirmed`);
  }

  private confirm(channel: ConfirmChannel, message: Message): Promise<boolean> {
    const { body, options } = toWire(message);
    return new Promise((resolve) => {
      try {
        channel.publish(this.topology.orders, message.vendorId, body, options, (error) => resolve(!error));
      } catch {
        // The channel has closed under our hands.
        resolve(false);
      }
    });
  }
}
