import { Injectable, Logger } from '@nestjs/common';
import { settledWithin } from './settled-within';

/** A background actor of a process. */
export interface Agent {
  start(): Promise<void> | void;
  /** Takes nothing new and waits for what is under way, for at most `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

/** What an agent gets beyond its deadline to let go of what it did not finish. */
const LETTING_GO_MS = 3000;

/**
 * Starts the process's agents in order and stops all at once; only then are the connections closed. (The framework's own
 * hooks close them in an order that depends on module order.)
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

  /** Resolves soon after the deadline, whatever an agent does. */
  async stop(deadlineMs: number): Promise<void> {
    this.stopping = true;
    await Promise.all(
      this.agents.map(async ({ name, agent }) => {
        const stopped = agent
          .stop(deadlineMs)
          .catch((error: unknown) => this.logger.warn({ err: error }, `${name} did not stop cleanly`));
        if (await settledWithin(deadlineMs + LETTING_GO_MS, stopped)) return;
        this.logger.warn(`${name} is cut off: it did not stop in time`);
      }),
    );
  }
}
