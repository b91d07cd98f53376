import { setTimeout as pause } from 'node:timers/promises';
import { type AppProcess, ready, startProcess } from '../../support/processes';
import type { Wire } from './wire';

const LOOK_EVERY_MS = 100;
const REST_BEFORE_RESTART_MS = 300;

/** A process as a supervisor keeps it: started again whenever it is gone, with its wires and its port. */
export class KeptAlive {
  private readonly lives: AppProcess[] = [];
  private stopping = false;
  private frozen = false;
  private keeping: Promise<void> = Promise.resolve();
  /** How often it ended though nobody killed it. */
  endedByItself = 0;
  private killed = false;

  constructor(
    readonly name: string,
    readonly mode: 'api' | 'worker' | 'vendors',
    private readonly env: Record<string, string>,
    readonly wires: { database?: Wire; broker?: Wire } = {},
  ) {}

  async start(): Promise<void> {
    await this.live();
    this.keeping = this.keep();
  }

  get url(): string {
    return this.lives.at(-1)!.url;
  }

  /** Of all its lives. */
  output(): string {
    return this.lives.map((life) => life.output()).join('');
  }

  /** Whoever calls this during a chunk on a wire has it dead before the next: the signal is sent at once. */
  kill(): void {
    this.killed = true;
    this.lives.at(-1)!.signal('SIGKILL');
  }

  freeze(): void {
    this.frozen = true;
    this.lives.at(-1)!.signal('SIGSTOP');
  }

  thaw(): void {
    if (this.frozen) this.lives.at(-1)!.signal('SIGCONT');
    this.frozen = false;
  }

  async ready(): Promise<void> {
    while (!this.lives.at(-1)!.running()) await pause(LOOK_EVERY_MS);
    await ready(this.lives.at(-1)!);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.thaw();
    await this.keeping;
    // One that does not stop is made to; what it was at is written down by then.
    await this.lives
      .at(-1)
      ?.stop()
      .catch(() => this.lives.at(-1)!.kill());
  }

  private async live(): Promise<void> {
    this.killed = false;
    this.lives.push(await startProcess(this.mode, this.env));
  }

  private async keep(): Promise<void> {
    while (!this.stopping) {
      if (!this.lives.at(-1)!.running()) {
        if (!this.killed) this.endedByItself += 1;
        await pause(REST_BEFORE_RESTART_MS);
        await this.live().catch(() => undefined);
      }
      await pause(LOOK_EVERY_MS);
    }
  }
}
