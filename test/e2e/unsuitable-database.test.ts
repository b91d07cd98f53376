import { createDatabase, type TestDatabase } from '../support/database';
import { run } from '../support/command';
import { startForgetfulPooler } from '../support/forgetful-pooler';
import { freePort, ready, startProcess } from '../support/processes';
import { waitFor } from '../support/wait';

describe('a process whose database is not what it relies on', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(() => database.drop());

  const start = async (mode: string, env: Record<string, string>) => {
    const port = String(await freePort());
    const given = { PORT: port, WORKER_PORT: port, ADMIN_API_KEY: 'hf_an_admin_key_for_this_test', ...env };
    return startProcess(mode, { DATABASE_URL: database.url, ...given });
  };

  it.each(['api', 'worker', 'all'])('does not start as %s on a server without fsync, and says so', async (mode) => {
    const app = await start(mode, { ALLOW_UNSAFE_DATABASE: 'false' });
    expect(await ended(app)).toMatch(/^The database server runs with fsync = off .*ALLOW_UNSAFE_DATABASE=true/m);
  });

  it('starts there where that is allowed, and warns', async () => {
    const app = await start('api', { ALLOW_UNSAFE_DATABASE: 'true' });
    try {
      await ready(app);
      expect(app.output()).toMatch(/ALLOW_UNSAFE_DATABASE: the server runs with fsync = off, full_page_writes = off/);
    } finally {
      await app.stop();
    }
  });

  it('does not start, nor migrate, behind a pooler that drops its settings', async () => {
    const pooler = await startForgetfulPooler(database.url);
    try {
      const app = await start('api', { DATABASE_URL: pooler.url });
      expect(await ended(app)).toMatch(/^The database's setting \w+ is .* in our sessions and has to be .*pooler/m);
      const migrated = await run('launch/migrate.command.js', [], { DATABASE_URL: pooler.url });
      expect(migrated).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^The database's setting \w+ is .*\n$/),
      });
    } finally {
      await pooler.close();
    }
  });
});

/** What it printed, once it has ended by itself. */
async function ended(app: Awaited<ReturnType<typeof startProcess>>): Promise<string> {
  try {
    await waitFor(() => !app.running(), {
      withinMs: 20_000,
      what: () => `the process to end; it printed:\n${app.output()}`,
    });
    return app.output();
  } finally {
    await app.stop();
  }
}
