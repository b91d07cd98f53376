import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { runAs, serverAccount } from '../../src/database/embedded/account';
import { startWatched, type WatchedServer } from '../../src/database/embedded/watchdog';
import { freePort } from './ports';
import { waitFor } from './wait';

/** Debian's; the suites that need an external server with its own tools run with this version. */
const BIN = '/usr/lib/postgresql/15/bin';
export const canStartPostgres = existsSync(join(BIN, 'postgres')) && existsSync(join(BIN, 'pg_dump'));

/** A PostgreSQL server as an installation for real has one: not the embedded one, nor the machine's own. */
export class ExternalPostgres {
  private constructor(
    private readonly server: WatchedServer,
    private readonly folder: string,
    private readonly port: number,
  ) {}

  static async start(): Promise<ExternalPostgres> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-external-'));
    const data = join(folder, 'data');
    const account = await serverAccount(data);
    if (account) await chown(folder, account.uid, account.gid);
    const made = await runAs(account, join(BIN, 'initdb'), [
      ...[
        `--pgdata=${data}`,
        '--username=holdfast',
        '--auth=trust',
        '--encoding=UTF8',
        '--locale=C.UTF-8',
        '--no-sync',
      ],
    ]);
    if (made.exitCode !== 0) throw new Error(made.stderr);
    const port = await freePort();
    const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const log = openSync(join(folder, 'log'), 'a');
    const server = startWatched(join(BIN, 'postgres'), ['-D', data, ...args], account, log);
    closeSync(log);
    const postgres = new ExternalPostgres(server, folder, port);
    await waitFor(() => postgres.run('SELECT 1').then(() => true), { withinMs: 20_000, what: 'the external server' });
    return postgres;
  }

  urlOf(database: string, role = 'holdfast'): string {
    return `postgres://${role}@127.0.0.1:${this.port}/${database}`;
  }

  /** Runs a statement as the administrator. */
  async run(statement: string, database = 'postgres'): Promise<void> {
    const client = new Client({ connectionString: this.urlOf(database) });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  }

  async remove(): Promise<void> {
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
