import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { createDatabase, type TestDatabase } from '../support/database';
import { type Installation, install } from '../support/installation';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-quic',
];
/** How long a step in the browser may take. */
const STEP_MS_MAX = 15_000;

const tests = existsSync(CHROMIUM) ? describe : describe.skip;

tests(`Swagger UI in ${CHROMIUM} (skipped where that is not installed)`, () => {
  let database: TestDatabase;
  let installation: Installation;
  let profile: string;
  let browser: BrowserContext;
  let page: Page;
  let apiKey: string;
  /** Whatever the browser complains about, and every address it asks that is not ours. */
  const complaints: string[] = [];

  beforeAll(async () => {
    database = await createDatabase();
    installation = await install(database.url, {}, 60_000);
    apiKey = (await installation.client.post('/v1/api-keys', { name: 'browser', scopes: ['orders:write'] })).body.key;
    profile = mkdtempSync(join(tmpdir(), 'holdfast-browser-'));
    browser = await chromium.launchPersistentContext(profile, { executablePath: CHROMIUM, args: FLAGS });
    browser.setDefaultTimeout(STEP_MS_MAX);
    page = browser.pages()[0] ?? (await browser.newPage());
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('requestfailed', (request) => complaints.push(`${request.url()} failed`));
    page.on(
      'request',
      (request) =>
        request.url().startsWith('http') &&
        !request.url().startsWith(installation.api.url) &&
        complaints.push(request.url()),
    );
  });

  afterAll(async () => {
    await browser?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    await installation?.stop();
    await database?.drop();
  });

  const operation = () => page.locator('#operations-orders-placeOrder');
  const answer = () => operation().locator('.live-responses-table tbody');

  /** Opens "Try it out", sends the body, and waits until this status is shown. */
  async function tryPlaceOrder(body: unknown, status: string): Promise<void> {
    if (!(await operation().locator('.opblock-body').isVisible()))
      await operation().locator('.opblock-summary').click();
    const tryItOut = operation().getByRole('button', { name: 'Try it out' });
    if (await tryItOut.isVisible()) await tryItOut.click();
    await operation().locator('textarea.body-param__text').fill(JSON.stringify(body));
    await operation().getByRole('button', { name: 'Execute' }).click();
    await answer().locator('.response-col_status', { hasText: status }).waitFor();
  }

  it('opens without a complaint, and shows every group of routes', async () => {
    await page.goto(`${installation.api.url}/docs`);
    await operation().waitFor();
    expect(await page.title()).toBe('Holdfast API');
    expect((await page.locator('.opblock-tag a').allInnerTexts()).toSorted()).toEqual([
      'API keys',
      'checkouts',
      'health',
      'operations',
      'orders',
      'products',
      'reconciliation',
      'vendors',
    ]);
    expect(complaints).toEqual([]);
  });

  it('shows that a key is needed before Authorize', async () => {
    await tryPlaceOrder({ productId: 'acme:A-1', quantity: 1 }, '401');
    // The one complaint that is due.
    expect(complaints.splice(0)).toEqual([expect.stringContaining('401')]);
  });

  it('places a real order after Authorize', async () => {
    await page.getByRole('button', { name: 'Authorize' }).first().click();
    const dialog = page.locator('.auth-container');
    await dialog.locator('input').fill(apiKey);
    await dialog.getByRole('button', { name: 'Apply credentials' }).click();
    await dialog.getByRole('button', { name: 'Close' }).click();

    await tryPlaceOrder({ productId: 'acme:A-1', quantity: 3 }, '201');
    const { orderId } = JSON.parse(await answer().locator('.response-col_description code').first().innerText()) as {
      orderId: string;
    };
    expect((await installation.client.get(`/v1/orders/${orderId}`)).body).toMatchObject({
      productId: 'acme:A-1',
      quantity: 3,
    });
  });

  it('shows what was wrong with an order', async () => {
    await tryPlaceOrder({ productId: 'acme:A-1', quantity: 0 }, '400');
    expect(await answer().innerText()).toContain('VALIDATION_FAILED');
    expect(complaints.splice(0)).toEqual([expect.stringContaining('400')]);
  });

  it('is still authorized after a reload', async () => {
    await page.reload();
    await operation().waitFor();
    await tryPlaceOrder({ productId: 'acme:A-2', quantity: 1 }, '201');
    expect(complaints).toEqual([]);
  });
});
