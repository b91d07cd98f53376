import { type Installation, install } from './installation';
import type { Answer, Json } from './client';
import { createDatabase, type TestDatabase } from './database';
import { errorLines } from './processes';

/** What a client can make us store, or change. */
const TABLES = [
  'orders',
  'order_events',
  'outbox',
  'idempotency_keys',
  'api_keys',
  'vendors',
  'vendor_slots',
  'vendor_breakers',
  'products',
  'stock_sync_runs',
  'dead_letters',
  'reconciliation_runs',
  'reconciliation_parts',
  'reconciliation_cases',
  'consistency_counts',
];

/** An installation that is asked for nothing good, and says at the end what that did to it. */
export interface Target extends Installation {
  database: TestDatabase;
  /** A digest of every table; the same again where nothing was stored. */
  contents(): Promise<Record<string, string>>;
  /** Lines of the API's log that a client must not be able to cause. */
  errorsLogged(): string[];
}

/** The worker fetches the stock and stops, so that every later change is a request's. */
export async function startTarget(): Promise<Target> {
  const database = await createDatabase();
  const installation = await install(database.url, {}, 60_000);
  await installation.worker.stop();
  return {
    ...installation,
    database,
    contents: () => contentsOf(database),
    errorsLogged: () => errorLines(installation.api.output()),
    stop: async () => {
      await installation.stop();
      await database.drop();
    },
  };
}

/** The answer is this problem, in the form and with the headers every problem has. `fields` are those at fault. */
export function expectProblem(answer: Answer<Json>, expected: string, fields?: string[]): void {
  const { status, headers, body } = answer;
  const found = `${status} ${body?.code}`;
  expect([found, (body?.errors as { field: string }[] | undefined)?.map(({ field }) => field)]).toEqual([
    expected,
    fields,
  ]);
  expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(body).toMatchObject({
    type: `urn:holdfast:problem:${body.code}`,
    title: expect.any(String),
    status,
    detail: expect.stringMatching(/./),
  });
  expect(headers.get('x-request-id')).toBe(body.requestId);
  for (const error of body.errors ?? []) expect(error.message).toMatch(/./);
}

async function contentsOf({ dataSource }: TestDatabase): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const table of TABLES) {
    const [found]: Json[] = await dataSource.query(
      `SELECT count(*) || ' rows, ' || md5(COALESCE(string_agg(t::text, ',' ORDER BY t::text), '')) AS digest FROM ${table} t`,
    );
    digests[table] = found.digest;
  }
  return digests;
}
