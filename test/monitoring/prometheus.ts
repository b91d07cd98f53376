import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { freePort } from '../support/ports';
import { waitFor } from '../support/wait';
import { RULES } from './files';

const SERVER = '/usr/bin/prometheus';
const READY_MS_MAX = 30_000;

export interface Target {
  job: string;
  url: string;
  path?: string;
  params?: Record<string, string[]>;
}

export function canStartPrometheus(): boolean {
  if (process.env['REQUIRE_PROMTOOL'] === '1' && !existsSync(SERVER)) {
    throw new Error(`REQUIRE_PROMTOOL=1, and there is no ${SERVER}.`);
  }
  return existsSync(SERVER);
}

/** A Prometheus of the test's own that scrapes every second, and evaluates our rules as often. */
export class TestPrometheus {
  private constructor(
    readonly url: string,
    private readonly server: ChildProcess,
    private readonly folder: string,
  ) {}

  static async start(targets: Target[]): Promise<TestPrometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-prometheus-'));
    const port = await freePort();
    writeFileSync(join(folder, 'prometheus.yml'), dump(configuration(targets)));
    const server = spawn(
      SERVER,
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
    const prometheus = new TestPrometheus(`http://127.0.0.1:${port}`, server, folder);
    const isReady = async () => (await fetch(`${prometheus.url}/-/ready`)).ok;
    await waitFor(isReady, { withinMs: READY_MS_MAX, what: 'Prometheus to be ready' });
    return prometheus;
  }

  /** The values of the series that answer an expression now. Fails where Prometheus cannot read it. */
  async query(expr: string): Promise<number[]> {
    const answer = await fetch(`${this.url}/api/v1/query`, {
      method: 'POST',
      body: new URLSearchParams({ query: expr }),
    });
    const { status, error, data } = (await answer.json()) as {
      status: string;
      error?: string;
      data: { result: { value: [number, string] }[] };
    };
    if (status !== 'success') throw new Error(`${expr}: ${error}`);
    return data.result.map(({ value: [, text] }) => Number(text.replace('Inf', 'Infinity')));
  }

  async stop(): Promise<void> {
    const exited = once(this.server, 'exit');
    this.server.kill('SIGTERM');
    await exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function configuration(targets: Target[]) {
  return {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [`${RULES}/*.yml`],
    scrape_configs: [...new Set(targets.map(({ job }) => job))].map((job) => {
      const [first, ...others] = targets.filter((target) => target.job === job);
      return {
        job_name: job,
        metrics_path: first!.path ?? '/metrics',
        params: first!.params ?? {},
        static_configs: [{ targets: [first!, ...others].map(({ url }) => new URL(url).host) }],
      };
    }),
  };
}
