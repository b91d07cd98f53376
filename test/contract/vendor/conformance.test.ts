import { Config } from '../../../src/config/config';
import type { Verdict } from '../../../src/vendors/conformance/check';
import { CHECKS, checkVendor } from '../../../src/vendors/conformance/conformance';
import { RecordedHttp } from '../../../src/vendors/conformance/recorded-http';
import { adaptersOver } from '../../../src/vendors/vendors.module';
import { run } from '../../support/command';
import { startVendor, type TestVendor } from '../../support/vendor';
import { TOKEN, TOKEN_ENV, vendorAt } from './counter';
import { FAULTS } from './planted-faults';
import { TamperingProxy } from './tampering-proxy';

const CATALOGUE = Array.from({ length: 12 }, (_, index) => ({
  sku: `A-${index}`,
  name: `Article ${index}`,
  quantity: index === 11 ? 0 : 50,
  price: '19.99',
}));
/** Checks that a healthy vendor of the dialect leaves nothing to try. */
const NOT_TRIED = {
  rest: ['retry-after'],
  wholesale: ['etag-holds', 'etag-follows-stock', 'retry-after'],
  feed: ['delta-goes-on', 'delta-names-change', 'retry-after'],
};
const KINDS = ['rest', 'wholesale', 'feed'] as const;

let healthy: TestVendor;
let proxy: TamperingProxy;

async function open(dialect: (typeof KINDS)[number]): Promise<void> {
  process.env[TOKEN_ENV] = TOKEN;
  healthy = await startVendor('checked-shop', CATALOGUE, { dialect, token: TOKEN });
  proxy = await TamperingProxy.before(healthy.baseUrl);
}

afterEach(async () => {
  await proxy.close();
  await healthy.stop();
  delete process.env[TOKEN_ENV];
});

async function verdicts(options: { buy?: boolean; url?: string } = {}): Promise<Verdict[]> {
  const { buy = true, url = proxy.baseUrl } = options;
  const http = new RecordedHttp(Config.read({ VENDOR_TIMEOUT_MS: '1000' }));
  const vendor = { ...vendorAt(url, healthy.kind), consistencyLagMs: 300 };
  const adapter = adaptersOver(http).find(({ kind }) => kind === healthy.kind)!;
  const found: Verdict[] = [];
  const signal = new AbortController().signal;
  for await (const verdict of checkVendor({ vendor, adapter, http, buy, signal })) found.push(verdict);
  await http.onModuleDestroy();
  return found;
}

const namesOf = (found: Verdict[], result: Verdict['result']) =>
  found.filter((verdict) => verdict.result === result).map(({ name }) => name);

describe.each(KINDS)('the checks of a healthy %s vendor', (kind) => {
  beforeEach(() => open(kind));

  it('all pass, and leave nothing bought', async () => {
    const found = await verdicts();
    expect(found.filter(({ result }) => result === 'failed')).toEqual([]);
    expect(namesOf(found, 'not tried')).toEqual(NOT_TRIED[kind]);
    expect(found).toHaveLength(CHECKS.length);
    expect(await healthy.accepted()).toEqual([]);
  });

  it('buy nothing unless they are allowed to', async () => {
    const found = await verdicts({ buy: false });
    expect(namesOf(found, 'failed')).toEqual([]);
    expect(namesOf(found, 'not tried')).toEqual(expect.arrayContaining(['order-accepted', 'refusal-has-code']));
    const { items } = (await (await fetch(`${healthy.baseUrl}/_ledger`)).json()) as { items: unknown[] };
    expect(items).toEqual([]);
  });
});

describe('the checks of a vendor', () => {
  beforeEach(() => open('rest'));

  it.each(['stock', 'order'])('bear with its rate limit on %s', async (operation) => {
    await healthy.faults({ tooManyRequests: { operation, count: 2, retryAfterSeconds: 1 } });
    const found = await verdicts();
    expect(namesOf(found, 'failed')).toEqual([]);
    expect(namesOf(found, 'passed')).toContain('retry-after');
  });

  it('have a planted fault each', () => {
    expect([...new Set(FAULTS.map(({ found }) => found))].toSorted()).toEqual(
      CHECKS.map(({ name }) => name).toSorted(),
    );
  });
});

describe.each(FAULTS)('a $kind vendor with $fault', ({ kind, tamper, found: expected }) => {
  it(`is told so by ${expected}`, async () => {
    await open(kind);
    proxy.tamper = tamper();
    const found = await verdicts();
    expect(namesOf(found, 'failed')).toContain(expected);
    const verdict = found.find(({ name }) => name === expected)!;
    expect(verdict).toMatchObject({ asked: expect.stringMatching(/^(GET|POST|DELETE) \//), came: expect.any(String) });
    expect(JSON.stringify(found)).not.toContain(TOKEN);
  });
});

describe('npm run vendor:check', () => {
  const check = (...more: string[]) =>
    run('launch/vendor-check.command.js', ['--kind', 'rest', '--url', proxy.baseUrl, ...more], { [TOKEN_ENV]: TOKEN });

  it('ends with 0 for a healthy vendor, and says what it did not try', async () => {
    await open('rest');
    const { code, stdout } = await check('--token-env', TOKEN_ENV);
    expect(code).toBe(0);
    expect(stdout).toContain('ok   stock-answers');
    expect(stdout).toContain('-    order-accepted: not tried, it buys, and that was not allowed');
  });

  it('ends with 1 for a faulty one, and says what was asked, what came, what was expected and why', async () => {
    await open('rest');
    proxy.tamper = FAULTS.find(({ found }) => found === 'prices')!.tamper();
    const { code, stdout } = await check('--token-env', TOKEN_ENV, '--buy', '--sku', 'A-3');
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /FAIL prices\n +asked: +GET \/stock.*\n +came: +price of A-0 is .*\n +expected: .*\n +why: /,
    );
    expect(stdout).not.toContain(TOKEN);
  });

  it('ends with 2 for a wrong call', async () => {
    await open('rest');
    expect((await check('--kind', 'smoke-signals')).code).toBe(2);
    expect((await check('--url', 'alpine')).code).toBe(2);
    expect((await check('--colour')).stderr).toContain('Usage:');
  });
});
