import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../../src/database/data-source';
import { StagingRepository } from '../../../src/stock/sync/staging.repository';
import { urlOfDatabase } from '../../support/database';
import { openStockRoom, skus, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';

const RUN = 'stock_staging_0123456789abcdef0123456789abcdef';
const PASSWORD = 'planted';

/** Whoever may create tables in our schema gives one a name that is more than a name. */
describe('a table that another role has planted', () => {
  const role = `p_${randomBytes(6).toString('hex')}`;
  let room: StockRoom;
  let planter: DataSource;

  beforeEach(async () => {
    room = await openStockRoom();
    await sql(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
    await sql(`GRANT CREATE, USAGE ON SCHEMA public TO ${role}`);
    const [{ name }] = await sql('SELECT current_database() AS name');
    const url = new URL(urlOfDatabase(process.env['HOLDFAST_TEST_DATABASE_URL']!, name));
    [url.username, url.password] = [role, PASSWORD];
    planter = new DataSource(dataSourceOptions(url.toString(), { connectionsMax: 1, waitMs: 10_000 }));
    await planter.initialize();
  });

  afterEach(async () => {
    if (planter?.isInitialized) await planter.destroy();
    await sql(`DROP OWNED BY ${role}`);
    await sql(`DROP ROLE ${role}`);
    await room.close();
  });

  const sql = (statement: string) => room.app.dataSource.query(statement);
  const plant = (name: string) => planter.query(`CREATE TABLE "${name}" (planted integer)`);
  const tables = async (): Promise<string[]> => {
    const named = `SELECT relname FROM pg_class WHERE relname LIKE 'stock\\_staging\\_%' AND relkind = 'r' ORDER BY 1`;
    return ((await sql(named)) as { relname: string }[]).map(({ relname }) => relname);
  };
  const mayReadOrders = async (): Promise<boolean> =>
    (await sql(`SELECT has_table_privilege('${role}', 'orders', 'SELECT') AS may`))[0].may;
  const sync = async () => {
    room.stock.lists(at(-60), skus(3, 5));
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded' });
  };

  it.each([
    `stock_staging_x; grant all on orders to ${role} --`,
    `stock_staging_x"; grant all on orders to ${role} --`,
    `stock_staging_${'0'.repeat(32)}"; --`,
    `${RUN.slice(0, -1)}g`,
  ])('has nothing of its name executed: %s', async (name) => {
    await plant(name.replaceAll('"', '""'));
    await sync();
    expect(await mayReadOrders()).toBe(false);
    expect(await tables()).toEqual([name]);
  });

  it('does not keep ours from being dropped, though it has the name of a run', async () => {
    await plant(RUN);
    await sql(`CREATE TABLE ${RUN.replace('0123', '9999')} ()`);
    await room.app.context.get(StagingRepository).clear(room.app.dataSource.manager);
    expect(await tables()).toEqual([RUN]);
  });

  it('has no part in the statistics of a partition whose name needs quotes', async () => {
    const of = `SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relname ~ '^products_\\d\\d$' ORDER BY 1`;
    const partitions = (await sql(of)) as { name: string }[];
    const odd = (index: number): string => `odd"; grant all on orders to ${role} --${index}`.replaceAll('"', '""');
    for (const [index, { name }] of partitions.entries()) await sql(`ALTER TABLE ${name} RENAME TO "${odd(index)}"`);
    await sync();
    expect(await mayReadOrders()).toBe(false);
    const [{ n }] = await sql(
      'SELECT reltuples::integer AS n FROM pg_class WHERE oid = (SELECT tableoid FROM products LIMIT 1)',
    );
    expect(n).toBe(3);
  });
});
