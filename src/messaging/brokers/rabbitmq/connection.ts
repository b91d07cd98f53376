import { AmqpConnection } from '@golevelup/nestjs-rabbitmq';
import { Logger, type LoggerService } from '@nestjs/common';
import type { Channel, ChannelModel, ConfirmChannel, Message } from 'amqplib';
import { describe } from '../../delivery';
import { settledWithin } from '../../../lifecycle/settled-within';

const HEARTBEAT_SECONDS = 5;
const RECONNECT_SECONDS = 1;
const CONNECT_TIMEOUT_MS = 5_000;
/** A broker that blocks us, or is gone without a word, never answers a close. */
const CLOSE_DEADLINE_MS = 2_000;
/** What a check may take. A declaration may take longer: whoever gave it up would leave what it created behind. */
export const CHECK_MS_MAX = 5_000;
const CHANNEL = 'holdfast';
/** Of what readiness repeats of the broker's words. */
const REASON_LENGTH_MAX = 200;

export interface ConnectionOptions {
  url: string;
  /** What the connection is for; named so in logs and in the broker's own list of connections. */
  purpose: 'publish' | 'consume' | 'drain';
  /** Every time the channel has been opened, after each reconnect again. */
  opened?(channel: ConfirmChannel): void;
  closed?(): void;
  /** A mandatory message found no queue. Arrives before its confirm. */
  returned?(messageId: string): void;
}

/**
 * One connection with one channel, both opened again for as long as we live. The only file that knows golevelup's
 * AmqpConnection, which looks after exactly that. Its `publish` (buffers without limit while disconnected) and
 * `createSubscriber` (never settles without a broker, brings cancelled consumers back, reconnects for ever over a queue
 * with other arguments) are left alone: publisher and consumer work on the channel itself, which fails at once.
 *
 * Nobody listens to the channel's `error`: unheard, it takes the connection down, and everything comes back anew; heard,
 * the channel would stay closed behind a connection that looks healthy.
 */
export class RabbitConnection {
  private readonly logger: Logger;
  private readonly amqp: AmqpConnection;
  private started = false;
  private unreachable = false;
  private current: ConfirmChannel | undefined;
  private blockedReason: string | undefined;
  /** Why there is no connection. */
  private lostReason: string | undefined;

  constructor(private readonly options: ConnectionOptions) {
    const { url, purpose } = options;
    this.logger = new Logger(`RabbitMQ ${purpose}`);
    this.amqp = new AmqpConnection({
      name: purpose,
      uri: url,
      connectionInitOptions: { wait: false, skipConnectionFailedLogging: true, skipDisconnectFailedLogging: true },
      connectionManagerOptions: {
        heartbeatIntervalInSeconds: HEARTBEAT_SECONDS,
        reconnectTimeInSeconds: RECONNECT_SECONDS,
        connectionOptions: {
          timeout: CONNECT_TIMEOUT_MS,
          clientProperties: { connection_name: `holdfast ${purpose}` },
        },
      },
      // Prefetch counts per consumer, so this one channel serves any number of them with one message each.
      channels: { [CHANNEL]: { prefetchCount: 1, default: true } },
      enableDirectReplyTo: false,
      logger: quiet(this.logger),
    });
  }

  /** Begins to connect, and waits for nothing. */
  async start(): Promise<void> {
    await this.amqp.init();
    this.started = true;
    const { managedConnection, managedChannel } = this.amqp;
    managedConnection.on('connect', () => this.connected());
    managedConnection.on('disconnect', ({ err }) => this.disconnected(err));
    managedConnection.on('connectFailed', ({ err }) => this.connectFailed(err));
    managedConnection.on('blocked', ({ reason }) => this.blocked(reason));
    managedConnection.on('unblocked', () => this.unblocked());
    await managedChannel.addSetup((channel: ConfirmChannel) => this.open(channel));
  }

  /** Undefined while there is none: then nothing can be sent, and nothing is kept to be sent later. */
  get channel(): ConfirmChannel | undefined {
    return this.current;
  }

  /** Undefined when usable, else why it is not. */
  get fault(): string | undefined {
    if (!this.started || !this.amqp.connected) {
      const why = this.lostReason === undefined ? '' : `: ${this.lostReason}`;
      return `the broker cannot be reached (${this.options.purpose})${why}`;
    }
    if (this.blockedReason !== undefined) {
      return `the broker blocks publishers: ${this.blockedReason}; give it more of it (memory, disk) or let its queues drain`;
    }
    if (this.current === undefined) return `no channel is open (${this.options.purpose})`;
    return undefined;
  }

  /** The watchdog's case: a connection that stands but whose channel did not come back. */
  get lacksChannel(): boolean {
    return this.started && this.amqp.connected && this.current === undefined;
  }

  /**
   * Does something that may fail (a declaration, a check) where failing closes nothing but this channel. A broker in need
   * answers nothing: rejects after `withinMs`, if given, and lets go of the channel when the answer comes after all.
   */
  async onTemporaryChannel<Result>(work: (channel: Channel) => Promise<Result>, withinMs?: number): Promise<Result> {
    const done = this.workOnTemporaryChannel(work);
    if (withinMs !== undefined && !(await settledWithin(withinMs, done))) {
      throw new Error(`the broker has not answered for ${withinMs / 1000} s`);
    }
    return done;
  }

  /** A further channel for consumers. Nobody listens to its `error`: like the first one it goes down with the connection. */
  async openChannel(): Promise<Channel> {
    const connection = this.connection;
    if (connection === undefined) throw new Error(this.fault);
    const channel = await connection.createChannel();
    await channel.prefetch(1);
    return channel;
  }

  /**
   * Drops the connection; it comes back like after any loss. (The library's own reconnect() takes its listeners away and
   * then waits for the broker to say goodbye, for ever if it does not.)
   */
  hangUp(reason: string): void {
    this.logger.warn(`Connecting anew: ${reason}`);
    destroySocket(this.connection, reason);
  }

  /**
   * Not golevelup's close(): that closes the channel first, for which a broker that blocks us never finds the time, and
   * so would never come to forbidding the next connection.
   */
  async close(): Promise<void> {
    if (!this.started) return;
    const connection = this.connection;
    this.started = false;
    if (await settledWithin(CLOSE_DEADLINE_MS, this.amqp.managedConnection.close())) return;
    destroySocket(connection, 'no answer to our goodbye');
  }

  private async workOnTemporaryChannel<Result>(work: (channel: Channel) => Promise<Result>): Promise<Result> {
    const connection = this.connection;
    if (connection === undefined) throw new Error(this.fault);
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    try {
      return await work(channel);
    } finally {
      await closeQuietly(channel);
    }
  }

  private get connection(): ChannelModel | undefined {
    return this.started
      ? (this.amqp.managedConnection as unknown as { connection?: ChannelModel }).connection
      : undefined;
  }

  private open(channel: ConfirmChannel): Promise<void> {
    this.current = channel;
    channel.once('close', () => {
      if (this.current === channel) this.current = undefined;
      this.options.closed?.();
    });
    channel.on('return', ({ properties }: Message) => this.options.returned?.(String(properties.messageId)));
    this.options.opened?.(channel);
    return Promise.resolve();
  }

  private connected(): void {
    this.unreachable = false;
    this.blockedReason = undefined;
    this.lostReason = undefined;
    this.logger.log('Connected');
  }

  private disconnected(error: unknown): void {
    this.blockedReason = undefined;
    this.lostReason = describe(error).slice(0, REASON_LENGTH_MAX);
    this.logger.warn(`Disconnected: ${describe(error)}`);
  }

  private connectFailed(error: unknown): void {
    this.lostReason = describe(error).slice(0, REASON_LENGTH_MAX);
    if (!this.unreachable)
      this.logger.warn(`The broker cannot be reached, trying every ${RECONNECT_SECONDS} s: ${describe(error)}`);
    this.unreachable = true;
  }

  private blocked(reason: string): void {
    this.blockedReason = reason;
    this.logger.warn(`Blocked by the broker: ${reason}`);
  }

  private unblocked(): void {
    this.blockedReason = undefined;
    this.logger.log('No longer blocked by the broker');
  }
}

/** With an error, or the library would not notice; it takes it for a lost connection. */
function destroySocket(connection: ChannelModel | undefined, reason: string): void {
  const { stream } = (connection?.connection ?? {}) as { stream?: { destroy(error: Error): void } };
  stream?.destroy(new Error(reason));
}

/** The library waits for the broker's word, and for ever if the connection ends first. */
async function closeQuietly(channel: Channel): Promise<void> {
  const ended = new Promise((resolve) => channel.once('close', resolve));
  try {
    await Promise.race([channel.close(), ended]);
  } catch {
    // An error has closed it already.
  }
}

/** The library tells each of its steps; what matters of them is said by us, once. */
function quiet(logger: Logger): LoggerService {
  return {
    log: (message: string) => logger.debug(message),
    debug: (message: string) => logger.debug(message),
    warn: (message: string) => logger.warn(message),
    error: (message: string) => logger.warn(message),
  };
}
