import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../support/ports';
import { waitFor } from '../../support/wait';
import type { World } from '../world/world';
import { quickened } from './quickened';

const PROMETHEUS = '/usr/bin/prometheus';
const RULES = join(__dirname, '..', '..', '..', 'docker', 'prometheus', 'rules');
const READY_MS_MAX = 20_000;
/** Of scrapes and of judging. */
const EVERY_SECONDS = 1;

/** A Prometheus of its own that watches the installation by production's rules, only quicker, and has no past. */
export class AlertWatch {
  private constructor(
    private readonly url: string,
    /** Once it is stopped: its rules, and its data for another Prometheus to read. */
    readonly folder: string,
    private readonly server: ChildProcess,
    private readonly sinceSeconds: number,
  ) {}

  static async start({ apis, workers, brokerMetricsUrl }: World): Promise<AlertWatch> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-prometheus-'));
    for (const file of readdirSync(RULES))
      writeFileSync(join(folder, `rules-${file}`), quickened(readFileSync(join(RULES, file), 'utf8')));
    const job = (name: string, of: { url: string }[]) => ({
      job_name: name,
      static_configs: [{ targets: of.map(({ url }) => new URL(url).host) }],
    });
    const config = {
      global: { scrape_interval: `${EVERY_SECONDS}s`, scrape_timeout: '1s', evaluation_interval: `${EVERY_SECONDS}s` },
      rule_files: [join(folder, 'rules-*.yml')],
      scrape_configs: [
        job('holdfast-api', apis),
        job('holdfast-worker', workers),
        job('rabbitmq', [{ url: brokerMetricsUrl }]),
      ],
    };
    // JSON is YAML.
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const server = spawn(
      PROMETHEUS,
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        '--log.level=error',
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const failed = new Promise<never>((_, reject) => server.once('error', reject));
    const url = `http://${address}`;
    const ready = waitFor(async () => (await fetch(`${url}/-/ready`)).ok, {
      withinMs: READY_MS_MAX,
      what: 'Prometheus to be ready (Debian: prometheus)',
    });
    await Promise.race([ready, failed]);
    return new AlertWatch(url, folder, server, Date.now() / 1000);
  }

  /** Names of the alerts that were firing at some moment, in order. */
  async lit(): Promise<string[]> {
    const query = new URLSearchParams({
      query: 'count by (alertname) (ALERTS{alertstate="firing"})',
      start: String(this.sinceSeconds),
      end: String(Date.now() / 1000),
      step: String(EVERY_SECONDS),
    });
    const answer = await fetch(`${this.url}/api/v1/query_range?${query.toString()}`);
    const { data } = (await answer.json()) as { data: { result: { metric: { alertname: string } }[] } };
    return data.result.map(({ metric }) => metric.alertname).toSorted();
  }

  async stop(): Promise<void> {
    const ended = once(this.server, 'exit');
    this.server.kill('SIGTERM');
    await ended;
  }

  /** Forgets what it saw. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
