import type { DataSource } from 'typeorm';
import { singleConnection } from '../../database/data-source';
import { type Connection, row, rows } from '../../database/sql';

/** A database as a backup speaks of it. */
export interface Standing {
  /** The server's version, such as 17.10. */
  postgres: string;
  /** Names of the migrations that were applied, in their order. */
  migrations: string[];
  /** Database's clock, now. */
  at: Date;
}

/** A database that is backed up or restored as a whole; no process of ours needs to run. */
export class WholeDatabase {
  private constructor(private readonly dataSource: DataSource) {}

  /** Does some work on the database at this address. */
  static async at<Result>(url: string, work: (database: WholeDatabase) => Promise<Result>): Promise<Result> {
    const dataSource = await singleConnection(url).initialize();
    try {
      return await work(new WholeDatabase(dataSource));
    } finally {
      await dataSource.destroy();
    }
  }

  /** Fails where nothing was ever migrated. */
  async standing(): Promise<Standing> {
    const applied = await rows<{ name: string }>(this.on, 'SELECT name FROM migrations ORDER BY id');
    return { ...(await this.server()), migrations: applied.map(({ name }) => name) };
  }

  async server(): Promise<Omit<Standing, 'migrations'>> {
    const found = await row<Omit<Standing, 'migrations'>>(
      this.on,
      `SELECT split_part(current_setting('server_version'), ' ', 1) AS postgres, clock_timestamp() AS at`,
    );
    return found!;
  }

  /** Its name, where it has a table, view or sequence that belongs to no extension. */
  async nameUnlessEmpty(): Promise<string | undefined> {
    const found = await row<{ name: string }>(
      this.on,
      `SELECT current_database() AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
       LIMIT 1`,
    );
    return found?.name;
  }

  async analyze(): Promise<void> {
    await rows(this.on, 'ANALYZE');
  }

  /** Nothing is dispatched until an operator resumes each vendor. */
  async pauseVendors(): Promise<void> {
    await rows(this.on, 'UPDATE vendors SET paused = true');
  }

  /**
   * What was pending at a time may have been sent since, for all that this database remembers: as after an attempt of which
   * nothing was heard it is looked up before it is sent, and cancelled by its vendor only. What its vendor was found to say
   * before says nothing any more. Answers how many there are.
   */
  async doubtPendingSince(at: string): Promise<number> {
    const doubted = await rows(
      this.on,
      `WITH doubted AS (
         UPDATE orders SET claim_token = nextval('fencing_tokens') WHERE status = 'pending'
         RETURNING order_id, vendor_id, claim_token)
       INSERT INTO dispatch_attempts (order_id, token, started_at, deadline_at, counted, address_epoch)
       SELECT order_id, claim_token, $1::timestamptz, clock_timestamp(), false, address_epochs[1]
       FROM doubted JOIN vendors USING (vendor_id) RETURNING order_id`,
      [at],
    );
    return doubted.length;
  }

  private get on(): Connection {
    return this.dataSource.manager;
  }
}
