import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type Agent, Agents } from '../lifecycle/agents';
import { type Loop, Loops } from '../lifecycle/loop';
import { databaseFailure } from './database-errors';
import { StatisticsRepository } from './statistics.repository';

/** So long a plan that was made for an empty table is kept while the table fills: 4,000 orders at full speed. */
const LOOK_EVERY_MS = 1000;

/**
 * Has a table analysed as soon as it is several times as large as its statistics say, at every connection's price of planning
 * its statements once more. Plans are kept for as long as a connection lives, and one that was made while a table was empty
 * reads it whole, or by the wrong index; autovacuum comes a minute later, at the soonest. See docs/decisions/0022.
 */
@Injectable()
export class StatisticsRefresh implements Agent {
  private readonly logger = new Logger(StatisticsRefresh.name);
  private readonly loop: Loop;

  constructor(
    private readonly dataSource: DataSource,
    private readonly repository: StatisticsRepository,
    agents: Agents,
    loops: Loops,
  ) {
    this.loop = loops.of('statistics-refresh', async () => {
      await this.runOnce();
      return LOOK_EVERY_MS;
    });
    agents.register(StatisticsRefresh.name, this);
  }

  start(): void {
    this.loop.start();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  /** Answers the tables that were analysed. A database that is away has not grown. */
  async runOnce(): Promise<string[]> {
    try {
      const grown = await this.repository.findGrown(this.dataSource.manager);
      for (const table of grown) await this.repository.analyze(this.dataSource.manager, table);
      return grown;
    } catch (error) {
      if (!databaseFailure(error)) this.logger.warn({ err: error }, 'Statistics were not refreshed');
      return [];
    }
  }
}
