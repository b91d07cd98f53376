import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Client } from 'pg';
import { singleConnection } from '../../src/database/data-source';
import { startEmbedded } from '../../src/database/embedded/embedded-postgres';
import { migrate } from '../../src/database/migrate';
import { ApiClient } from '../support/client';
import { newDataDir, removeDataDir } from '../support/data-dir';
import { urlOfDatabase } from '../support/database';
import { type AppProcess, startApp } from './app-process';
import { fillCatalogue } from './catalogue';
import { type CpuSeconds, cpuSecondsOf, parentOf } from './cpu';
import { type Helper, startHelper } from './helper';
import type { Load } from './load/generator';
import type { LoadOutcome } from './load/outcome';

/** Whose orders the measured ones are. */
export const CLIENT = 'bench';

/** Of the build that this one is compared with. */
const OTHER_DATABASE = 'bench_other';

/** Everything that is measured or measures, each a process of its own on this machine, and none needed beforehand. */
export interface Testbed {
  databaseUrl: string;
  /** The bench's own connection. */
  database: Client;
  postgresVersion: string;
  /** Two on one database; the second idles but in the cases that are about it. */
  apis: [AppProcess, AppProcess];
  /** Created as a user's would be, and allowed no more than the bench does. */
  apiKey: string;
  /** The operator's, with every scope. */
  adminApiKey: string;
  /** None runs until a section asks for one. */
  startWorker(env?: Record<string, string>): Promise<AppProcess>;
  startApi(env: Record<string, string>): Promise<AppProcess>;
  /** The build of another checkout, on a database of its own beside this one's, filled alike. */
  startOther(root: string): Promise<OtherApi>;
  generator: Helper<Load, LoadOutcome>;
  /** Of these API processes; of both above unless said. */
  cpuSeconds(of?: AppProcess[]): CpuSeconds | undefined;
}

/** An API of another build. */
export interface OtherApi {
  api: AppProcess;
  apiKey: string;
  database: Client;
}

/** How to undo what was started, the last first. */
export type StopSteps = (() => Promise<unknown> | void)[];

/** Durable as in production: with PostgreSQL's own settings of `npm start`, not with those of the tests. */
export async function startTestbed(stopSteps: StopSteps, profileTo: string | undefined): Promise<Testbed> {
  const dataDir = newDataDir('bench');
  stopSteps.push(() => removeDataDir(dataDir));
  const server = await startEmbedded({ dataDir, onNotice: (sentence) => console.error(sentence) });
  stopSteps.push(() => server.stop());
  await migrateDatabase(server.url);

  const database = new Client({ connectionString: server.url });
  await database.connect();
  stopSteps.push(() => database.end());
  await fillCatalogue(database);

  const adminApiKey = randomBytes(32).toString('hex');
  const settings = { databaseUrl: server.url, adminApiKey, errorFile: join(dataDir, 'app.err'), profileTo };
  const startOther = async (root: string): Promise<OtherApi> => {
    await database.query(`CREATE DATABASE ${OTHER_DATABASE}`);
    const url = urlOfDatabase(server.url, OTHER_DATABASE);
    execFileSync(process.execPath, [join(root, 'dist', 'launch', 'migrate.command.js')], {
      cwd: root,
      env: { PATH: process.env['PATH'], DATABASE_URL: url, ADMIN_API_KEY: adminApiKey },
    });
    const other = new Client({ connectionString: url });
    await other.connect();
    stopSteps.push(() => other.end());
    await fillCatalogue(other);
    const api = await startApp('api', { ...settings, databaseUrl: url, env: {}, root });
    stopSteps.push(() => api.stop());
    return { api, apiKey: await createApiKey(api.url, adminApiKey), database: other };
  };
  const startAnother = async (mode: 'api' | 'worker', env: Record<string, string> = {}): Promise<AppProcess> => {
    const app = await startApp(mode, { ...settings, env });
    stopSteps.push(() => app.stop());
    return app;
  };
  const apis: Testbed['apis'] = [await startAnother('api'), await startAnother('api')];
  const generator = startHelper<Load, LoadOutcome>('load/generator.ts');
  stopSteps.push(() => generator.stop());

  const { version, backend } = await serverFacts(database);
  const postmaster = parentOf(backend);
  return {
    databaseUrl: server.url,
    database,
    postgresVersion: version,
    apis,
    apiKey: await createApiKey(apis[0].url, adminApiKey),
    adminApiKey,
    startWorker: (env) => startAnother('worker', env),
    startApi: (env) => startAnother('api', env),
    startOther,
    generator,
    cpuSeconds: (of = apis) =>
      cpuSecondsOf(
        of.map(({ pid }) => pid),
        postmaster,
      ),
  };
}

async function migrateDatabase(url: string): Promise<void> {
  const dataSource = await singleConnection(url).initialize();
  try {
    await migrate(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

async function createApiKey(apiUrl: string, adminApiKey: string): Promise<string> {
  const created = await new ApiClient(apiUrl, adminApiKey).post('/v1/api-keys', {
    name: CLIENT,
    scopes: ['orders:write', 'catalog:read'],
  });
  if (created.status !== 201) throw new Error(`No API key was created: ${JSON.stringify(created.body)}`);
  return created.body.key;
}

async function serverFacts(database: Client): Promise<{ version: string; backend: number }> {
  const { rows } = await database.query<{ version: string; backend: number }>(
    `SELECT current_setting('server_version') AS version, pg_backend_pid() AS backend`,
  );
  return rows[0]!;
}
