import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { filesIn, type Rule, readYaml, RULE_TESTS, RULES, rules } from './files';

const PROMTOOL = '/usr/bin/promtool';
const AMTOOL = '/usr/bin/amtool';
const ROOT = join(__dirname, '..', '..');
/** Hours of minutes are played through: 5 s on a machine with nothing else to do. */
const RULE_TESTS_MS_MAX = 180_000;

interface RuleTest {
  tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[];
}

const alerts = rules().flatMap((rule) => (rule.alert === undefined ? [] : [rule as Rule & { alert: string }]));
const names = alerts.map(({ alert }) => alert);

function withTool(path: string): jest.It {
  if (existsSync(path)) return it;
  if (process.env['REQUIRE_PROMTOOL'] === '1') throw new Error(`REQUIRE_PROMTOOL=1, and there is no ${path}.`);
  return it.skip;
}

/** Fails with what it printed. */
async function run(tool: string, ...args: string[]): Promise<void> {
  await promisify(execFile)(tool, args, { cwd: ROOT }).catch((error: Error & { stdout: string; stderr: string }) => {
    throw new Error(`${error.stdout}\n${error.stderr}`);
  });
}

describe('the rules', () => {
  withTool(PROMTOOL)('are read by Prometheus', () => run(PROMTOOL, 'check', 'rules', ...filesIn(RULES)));

  withTool(PROMTOOL)(
    'pass their tests',
    () => run(PROMTOOL, 'test', 'rules', ...filesIn(RULE_TESTS)),
    RULE_TESTS_MS_MAX,
  );

  it('have a test for each alert firing, and one not', () => {
    const tests = filesIn(RULE_TESTS)
      .flatMap((file) => readYaml<RuleTest>('test', 'monitoring', 'rules', file.split('/').at(-1)!).tests)
      .flatMap((test) => test.alert_rule_test ?? []);
    const tested = (firing: boolean) =>
      new Set(tests.filter((test) => test.exp_alerts.length > 0 === firing).map(({ alertname }) => alertname));
    expect([...tested(true)].toSorted()).toEqual(names.toSorted());
    expect([...tested(false)].toSorted()).toEqual(names.toSorted());
  });

  it('say of each alert how urgent it is, what is wrong and where its runbook is', () => {
    for (const { alert, labels, annotations } of alerts) {
      expect([alert, labels]).toEqual([alert, { severity: expect.stringMatching(/^(page|ticket)$/) }]);
      expect([alert, annotations]).toEqual([
        alert,
        { summary: expect.any(String), runbook_url: `docs/operating.md#${alert.toLowerCase()}` },
      ]);
    }
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('the runbooks', () => {
  const section = /^## Alerts$(.*?)(?=^## |(?![\s\S]))/ms.exec(
    readFileSync(join(ROOT, 'docs/operating.md'), 'utf8'),
  )![1]!;
  const runbooks = new Map(
    section
      .split(/^### /m)
      .slice(1)
      .map((text) => [text.slice(0, text.indexOf('\n')).trim(), text] as const),
  );

  it('are there for each alert, and for nothing else', () => {
    expect([...runbooks.keys()].toSorted()).toEqual(names.toSorted());
  });

  it.each(names)('%s: what it means, what to look at, what to do, how to know that it worked', (name) => {
    const said = [...runbooks.get(name)!.matchAll(/^\*\*(.+?)\.\*\* \S/gm)].map(([, heading]) => heading);
    expect(said).toEqual(['What it means', 'Look at', 'Do', 'It worked when']);
  });
});

describe('the compose profile', () => {
  interface Compose {
    services: Record<string, { profiles?: string[]; ports?: string[]; volumes?: string[] }>;
    volumes: Record<string, unknown>;
  }
  const { services, volumes } = readYaml<Compose>('docker', 'compose.yaml');

  withTool(PROMTOOL)('has a Prometheus that reads its configuration', () =>
    run(PROMTOOL, 'check', 'config', '--syntax-only', 'docker/prometheus/prometheus.yml'),
  );

  withTool(AMTOOL)('has an Alertmanager that reads its configuration', () =>
    run(AMTOOL, 'check-config', 'docker/alertmanager/alertmanager.yml'),
  );

  it('mounts what is there, and listens on this machine only', () => {
    const monitoring = Object.entries(services).filter(([, { profiles }]) => profiles?.includes('monitoring'));
    expect(monitoring.map(([name]) => name)).toEqual(['prometheus', 'alertmanager', 'grafana']);
    for (const [name, { volumes: mounted = [], ports = [] }] of monitoring) {
      for (const mount of mounted) {
        const [from] = mount.split(':') as [string];
        const there = from.startsWith('./') ? existsSync(join(ROOT, 'docker', from)) : from in volumes;
        expect([name, mount, there]).toEqual([name, mount, true]);
      }
      expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    }
    const published = Object.values(services).flatMap(({ ports = [] }) => ports.map((port) => port.split(':')[1]));
    expect(new Set(published).size).toBe(published.length);
  });

  it('scrapes services that are there', () => {
    interface Scrape {
      dns_sd_configs?: { names: string[] }[];
      static_configs?: { targets: string[] }[];
    }
    const { scrape_configs: scrapes } = readYaml<{ scrape_configs: Scrape[] }>('docker/prometheus/prometheus.yml');
    const hosts = scrapes.flatMap(({ dns_sd_configs: found = [], static_configs: fixed = [] }) => [
      ...found.flatMap((each) => each.names),
      ...fixed.flatMap(({ targets }) => targets.map((target) => target.split(':')[0]!)),
    ]);
    expect(hosts.filter((host) => !(host in services))).toEqual([]);
    expect(hosts).toEqual(expect.arrayContaining(['api', 'worker', 'rabbitmq']));
  });
});
