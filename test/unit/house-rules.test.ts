import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { ICruiseResult } from 'dependency-cruiser';

const ROOT = join(__dirname, '..', '..');
const CRUISER = join(ROOT, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');

/** For each rule the imports it has to catch: `from > to`, files or packages. */
const planted: Record<string, string[]> = {
  'messaging-imports-nothing-above': [
    'src/messaging/broker.ts > src/vendors/vendor.ts',
    'src/messaging/outbox.ts > src/operations/backup.ts',
    'src/messaging/relay.ts > src/api.module.ts',
  ],
  'vendors-imports-nothing-above': ['src/vendors/breaker.ts > src/stock/product.ts'],
  'stock-imports-nothing-above': ['src/stock/queries.ts > src/orders/order.ts'],
  'orders-imports-nothing-above': ['src/orders/queries.ts > src/operations/backup.ts'],
  'operations-imports-nothing-above': [
    'src/operations/consistency.ts > src/launch/run-app.ts',
    'src/operations/reconciliation.ts > src/worker.module.ts',
  ],
  'ground-floor-knows-no-room': [
    'src/config/config.ts > src/launch/flags.ts',
    'src/database/data-source.ts > src/orders/order.ts',
    'src/http/server.ts > src/api.module.ts',
    'src/observability/logs.ts > src/messaging/broker.ts',
    'src/health/health.ts > src/stock/product.ts',
    'src/lifecycle/agents.ts > src/vendors/vendor.ts',
    'src/auth/guard.ts > src/operations/backup.ts',
  ],
  'contents-import-rooms-only': [
    'src/api.module.ts > src/launch/flags.ts',
    'src/worker.module.ts > src/launch/flags.ts',
  ],
  'nobody-imports-main': [
    'src/launch/run-app.ts > src/launch/migrate.command.ts',
    'src/launch/restart.ts > src/main.ts',
  ],
  'placement-knows-no-fulfilment': ['src/orders/placement/placement.ts > src/orders/fulfilment/attempt.ts'],
  'fulfilment-knows-no-placement': ['src/orders/fulfilment/dispatch.ts > src/orders/placement/lane.ts'],
  'simulator-stands-alone': [
    'src/simulator/shop.ts > src/stock/product.ts',
    'src/simulator/ledger.ts > src/config/setting.ts',
  ],
  'only-launch-starts-the-simulator': ['src/stock/sync/sync.ts > src/simulator/catalogue.ts'],
  'only-the-vendors-module-registers-adapters': ['src/stock/sync/poll.ts > src/vendors/adapters/rest/rest-adapter.ts'],
  'adapters-do-not-share': ['src/vendors/adapters/soap/soap-adapter.ts > src/vendors/adapters/rest/rest-adapter.ts'],
  'one-file-opens-amqp': [
    'src/messaging/brokers/rabbitmq/consumer.ts > @golevelup/nestjs-rabbitmq',
    'src/messaging/brokers/rabbitmq/publisher.ts > amqplib',
  ],
  'one-file-loads-the-tracing-sdk': ['src/orders/story.ts > @opentelemetry/core'],
  'src-knows-no-test': ['src/stock/cache.ts > test/support/wait.ts'],
  'src-runs-without-dev-dependencies': ['src/stock/sort.ts > fast-check', 'src/stock/pick.ts > somebody-elses'],
  'no-circles': ['src/orders/egg.ts > src/orders/hen.ts'],
};

/** What the house is for. */
const allowed = [
  // A circle is reported once, at its first file.
  'src/orders/hen.ts > src/orders/egg.ts',
  'src/main.ts > src/launch/run-app.ts',
  'src/launch/run-app.ts > src/api.module.ts',
  'src/launch/demo.ts > src/simulator/catalogue.ts',
  'src/launch/demo.ts > src/stock/product.ts',
  'src/api.module.ts > src/operations/backup.ts',
  'src/operations/backup.ts > src/orders/order.ts',
  'src/orders/order.ts > src/stock/product.ts',
  'src/stock/product.ts > src/vendors/vendor.ts',
  'src/vendors/vendors.module.ts > src/vendors/adapters/rest/rest-adapter.ts',
  'src/vendors/adapters/rest/rest-adapter.ts > src/vendors/adapters/rest/listing.ts',
  'src/vendors/vendor.ts > src/messaging/message.ts',
  'src/messaging/message.ts > src/config/setting.ts',
  'src/messaging/brokers/rabbitmq/connection.ts > @golevelup/nestjs-rabbitmq',
  'src/observability/tracing.ts > @opentelemetry/core',
  'src/observability/spans.ts > @opentelemetry/api',
];

let house: string;
let rules: string[];
let violations: Map<string, string[]>;

beforeAll(async () => {
  house = mkdtempSync(join(tmpdir(), 'holdfast-house-'));
  build(house, [...Object.values(planted).flat(), ...allowed]);
  const { ruleSetUsed, violations: found } = (await cruise(house)).summary;
  rules = ruleSetUsed!.forbidden!.map(({ name }) => name!);
  violations = new Map(rules.map((name) => [name, found.filter(({ rule }) => rule.name === name).map(asPlanted)]));
});
afterAll(() => rmSync(house, { recursive: true, force: true }));

describe('the rules of the house', () => {
  it.each(Object.entries(planted))('%s catches what it forbids', (rule, imports) => {
    expect(violations.get(rule)).toEqual(expect.arrayContaining(imports));
  });

  it('each have a planted violation', () => {
    expect(Object.keys(planted).sort()).toEqual(rules.sort());
  });

  it('let every import pass that the house is for', () => {
    expect([...violations.values()].flat().filter((each) => allowed.includes(each))).toEqual([]);
  });
});

/** Writes a tree of one-line files in which each import stands, beside the rules and the packages they speak of. */
function build(folder: string, imports: string[]): void {
  copyFileSync(join(ROOT, '.dependency-cruiser.cjs'), join(folder, '.dependency-cruiser.cjs'));
  write(folder, 'tsconfig.json', '{ "compilerOptions": { "module": "nodenext" } }');
  const packages = ['@golevelup/nestjs-rabbitmq', 'amqplib', '@opentelemetry/api', '@opentelemetry/core'];
  const dependencies = Object.fromEntries(packages.map((name) => [name, '1.0.0']));
  write(folder, 'package.json', JSON.stringify({ dependencies, devDependencies: { 'fast-check': '1.0.0' } }));
  for (const name of [...Object.keys(dependencies), 'fast-check', 'somebody-elses']) {
    write(folder, `node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    write(folder, `node_modules/${name}/index.js`, '');
  }
  const lines = new Map<string, string[]>();
  for (const [from, to] of imports.map((each) => each.split(' > ') as [string, string])) {
    lines.set(from, [...(lines.get(from) ?? []), `import '${specifier(from, to)}';`]);
    if (to.endsWith('.ts')) lines.set(to, lines.get(to) ?? []);
  }
  for (const [file, text] of lines) write(folder, file, `${text.join('\n')}\nexport {};\n`);
}

function specifier(from: string, to: string): string {
  if (!to.endsWith('.ts')) return to;
  const path = relative(dirname(from), to.replace(/\.ts$/, ''));
  return path.startsWith('.') ? path : `./${path}`;
}

function write(folder: string, file: string, text: string): void {
  mkdirSync(join(folder, dirname(file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

/** The command's exit code is the number of violations; what they are is on standard output all the same. */
async function cruise(folder: string): Promise<ICruiseResult> {
  const args = [CRUISER, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, maxBuffer: 2 ** 24 }).catch(
    (error: Error & { stdout: string }) => error,
  );
  return JSON.parse(stdout) as ICruiseResult;
}

function asPlanted({ from, to }: { from: string; to: string }): string {
  return `${from} > ${/^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(to)?.[1] ?? to}`;
}
