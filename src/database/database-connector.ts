import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { HalfRestored } from './half-restored';
import { pendingMigrations } from './migrate';
import { Pools } from './pools';
import { SchemaTooNew } from './schema-too-new';
import { UNSAFE_SETTINGS } from './session';
import { UnsafeDatabase, UnsuitableSession } from './session.errors';

const RETRY_MS = 500;

/**
 * Connects at start and keeps trying: a process whose database is away, or not migrated yet, is up, not ready, and goes
 * on by itself. Once connected the pool replaces its own connections.
 */
@Injectable()
export class DatabaseConnector {
  private readonly logger = new Logger(DatabaseConnector.name);
  private stopped = false;
  private migrated = false;

  constructor(
    private readonly dataSource: DataSource,
    private readonly pools: Pools,
  ) {}

  /**
   * Resolves once the database answers and is migrated, or when stopped before that. Throws `SchemaTooNew`,
   * `UnsuitableSession` and `UnsafeDatabase`.
   */
  async connect(): Promise<void> {
    let said: string | undefined;
    while (!this.stopped) {
      const obstacle = await this.tryOnce();
      if (obstacle === undefined) return this.warnIfUnsafe();
      if (obstacle !== said) this.logger.warn(`Not ready: ${obstacle}`);
      said = obstacle;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
    }
  }

  /** What keeps the database from serving, or undefined. Throws `SchemaTooNew`, which no waiting mends. */
  async obstacle(): Promise<string | undefined> {
    try {
      if (!this.pools.areOpen) return 'the database cannot be reached';
      if (this.migrated) {
        await this.dataSource.query('SELECT 1');
        return undefined;
      }
      const pending = await pendingMigrations(this.dataSource.manager);
      this.migrated = pending.length === 0;
      return this.migrated ? undefined : `${pending.length} migrations are pending: run npm run migrate`;
    } catch (error) {
      if (error instanceof SchemaTooNew) throw error;
      if (error instanceof HalfRestored || isUnsuitable(error)) return (error as Error).message;
      return `the database cannot be reached (${(error as Error).message})`;
    }
  }

  stop(): void {
    this.stopped = true;
  }

  private async tryOnce(): Promise<string | undefined> {
    if (!this.pools.areOpen) {
      try {
        await this.pools.open();
      } catch (error) {
        if (isUnsuitable(error)) throw error;
        return `the database cannot be reached (${(error as Error).message})`;
      }
    }
    return this.obstacle();
  }

  /** At each start, lest somebody forget what was allowed for a trial. */
  private async warnIfUnsafe(): Promise<void> {
    const found = await this.dataSource.query<{ name: string }[]>(UNSAFE_SETTINGS).catch(() => []);
    if (found.length === 0) return;
    const names = found.map(({ name }) => `${name} = off`).join(', ');
    this.logger.warn(`ALLOW_UNSAFE_DATABASE: the server runs with ${names}: a crash of its machine loses orders.`);
  }
}

/** No waiting mends it: somebody has to change a setting. */
function isUnsuitable(error: unknown): boolean {
  return error instanceof UnsuitableSession || error instanceof UnsafeDatabase;
}
