import { Injectable, Logger } from '@nestjs/common';
import { settledWithin } from './settled-within';

/** A background actor of a process. */
export interface Agent {
  start(): Promise<void> | void;
  /** Takes nothing new and waits for what is under way, for at most `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Starts and stops the process's agents in order: they stop in the reverse order of their registration, and only then
 * are the connections closed. (The framework's own hooks close them in an order that depends on module order.)
 */
@Injectable()
export class Agents {
  private readonly logger = new Logger(Agents.name);
  private readonly agents: { name: string; agent: Agent }[] = [];
  private stopping = false;

  register(name: string, agent: Agent): void {
    this.agents.push({ name, agent });
  }

  async start(): Promise<void> {
    for (const { agent } of this.agents) if (!this.stopping) await agent.start();
  }

  /** Resolves at the deadline, whatever an agent does. */
  async stop(deadlineMs: number): Promise<void> {
    this.stopping = true;
    const endAt = performance.now() + deadlineMs;
    for (const { name, agent } of this.agents.toReversed()) {
      const leftMs = Math.max(0, endAt - performance.now());
      const stopped = agent
        .stop(leftMs)
        .catch((error: unknown) => this.logger.warn({ err: error }, `${name} did not stop cleanly`));
      if (!(await settledWithin(leftMs, stopped))) this.logger.warn(`${name} is cut off: it did not stop in time`);
    }
  }
}
