import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pool, type QueryResultRow } from 'pg';
import { singleConnection } from '../../../src/database/data-source';
import { type EmbeddedServer, startEmbedded } from '../../../src/database/embedded/embedded-postgres';
import { migrate } from '../../../src/database/migrate';
import { newDataDir, removeDataDir } from '../../support/data-dir';
import type { Wire } from './wire';

const ASK_MS_MAX = 20_000;

/** A durable PostgreSQL server of the harness's own, that every process reaches by a wire of its own. */
export class ChaosDatabase {
  private readonly dataDir = newDataDir('chaos');
  private readonly wires: Wire[] = [];
  private server: EmbeddedServer | undefined;
  private pool: Pool | undefined;

  static async start(): Promise<ChaosDatabase> {
    const database = new ChaosDatabase();
    await database.start();
    const migrating = await singleConnection(database.url).initialize();
    await migrate(migrating).finally(() => migrating.destroy());
    return database;
  }

  get url(): string {
    return this.server!.url;
  }

  get running(): boolean {
    return this.server !== undefined;
  }

  join(wire: Wire): void {
    this.wires.push(wire);
    wire.forwardTo(this.port);
  }

  async start(): Promise<void> {
    this.server = await startEmbedded({ dataDir: this.dataDir });
    this.pool = new Pool({ connectionString: this.server.url, max: 4, statement_timeout: ASK_MS_MAX });
    this.pool.on('error', () => undefined);
    for (const wire of this.wires) wire.forwardTo(this.port);
  }

  /** A fast stop: every session is ended. */
  async stop(): Promise<void> {
    const { server, pool } = this;
    this.server = undefined;
    await server?.stop();
    for (const wire of this.wires) wire.refuse();
    await pool?.end();
  }

  /** Of the harness, past all wires. */
  async rows<Row extends QueryResultRow>(statement: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.pool!.query<Row>(statement, values)).rows;
  }

  log(): string {
    const file = join(this.dataDir, 'postgres.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  async remove(): Promise<void> {
    await this.stop();
    removeDataDir(this.dataDir);
  }

  private get port(): number {
    return Number(new URL(this.url).port);
  }
}
