import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from '@nestjs/common';
import { Logger as PinoLogger } from 'nestjs-pino';
import { ApiKeys } from '../auth/api-keys.service';
import type { Config } from '../config/config';
import { timeBudgets } from '../config/time-budgets';
import { DatabaseConnector } from '../database/database-connector';
import { Draining } from '../http/draining';
import { createHttpServer } from '../http/http-server';
import { Agents } from '../lifecycle/agents';
import { settledWithin } from '../lifecycle/settled-within';
import { Shutdown } from '../lifecycle/shutdown';
import { startTracing } from '../observability/tracing';
import { attachDatabase, openDatabase } from './database';
import { growHeapSlowly } from './heap';
import { listenOn, urlAt } from './listen';
import { serveOpenApi } from './openapi';
import { processModule } from './process-module';
import { endWith } from './shutdown';
import { StartError } from './start-error';
import { version } from './version';

/** Starts an app process and answers once it listens; the database and broker may still be away. */
export async function runApp(mode: 'api' | 'worker' | 'all', demo: boolean, given: Config): Promise<void> {
  const notice = (sentence: string): void => console.log(sentence);
  const { config, embedded } =
    mode === 'all' ? await openDatabase(given, notice) : { config: await attachDatabase(given), embedded: undefined };
  if (mode === 'worker') growHeapSlowly();
  const budgets = timeBudgets(config.vendorTimeoutMs);
  const tracing = await startTracing(config, { mode, version });
  const app = await createHttpServer(processModule(mode, config), budgets.httpRequestMs);
  if (mode !== 'worker') serveOpenApi(app, version);

  const show = demo ? await import('./demo.js') : undefined;
  const simulator = await show?.startDemoVendors(config);

  const shutdown = app.get(Shutdown);
  const draining = new Draining(app.getHttpAdapter().getInstance(), shutdown);
  endWith([
    () => void (shutdown.begun = true),
    () => app.get(DatabaseConnector).stop(),
    () => Promise.all([app.get(Agents).stop(budgets.shutdownGraceMs), draining.done(budgets.drainMs)]),
    () => closeWithin(budgets.lastAnswersMs, app),
    () => tracing.stop(budgets.lastSpansMs),
    () => simulator?.stop(),
    () => embedded?.stop(),
  ]);
  const url = await listen(app, mode, demo, config);
  embedded?.announce(url);
  // The demo's welcome shows it.
  if (embedded && !demo && given.adminApiKey === undefined) {
    new Logger('Holdfast').log(`API key, with every scope: ${config.adminApiKey}`);
  }
  await goToWork(app, mode);
  if (show && simulator) await show.welcome(app, config, url, simulator);
}

/** Waits for the database, then starts the agents. */
async function goToWork(app: NestFastifyApplication, mode: 'api' | 'worker' | 'all'): Promise<void> {
  await app.get(DatabaseConnector).connect();
  if (app.get(Shutdown).begun) return;
  if (mode !== 'worker' && !(await app.get(ApiKeys).anyExists())) {
    throw new StartError(
      'ADMIN_API_KEY: required with DATABASE_URL while no API key exists; set it, or run npm run keys.',
    );
  }
  await app.get(Agents).start();
}

/** Throws what kept it from closing; answers late are cut off. */
async function closeWithin(deadlineMs: number, app: NestFastifyApplication): Promise<void> {
  const closing = app.close();
  if (await settledWithin(deadlineMs, closing)) await closing;
}

async function listen(app: NestFastifyApplication, mode: string, demo: boolean, config: Config): Promise<string> {
  const key = mode === 'worker' ? 'WORKER_PORT' : 'PORT';
  const wanted = mode === 'worker' ? config.workerPort : config.port;
  const { port } = await listenOn(
    { key, host: config.host, port: wanted, mayMove: demo && !config.isSet(key) },
    (candidate) => app.listen(candidate, config.host),
  );
  // Only now: the list of mapped routes, at every start, is not news.
  app.useLogger(app.get(PinoLogger));
  const url = urlAt(config.host, port);
  new Logger('Holdfast').log(`${mode} ${version} listens on ${url}`);
  return url;
}
