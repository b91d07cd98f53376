import type { Json } from '../support/client';
import { createDatabase, type TestDatabase } from '../support/database';
import { completed, type Installation, install } from '../support/installation';
import { expectProblem } from '../support/refusals';
import { waitFor } from '../support/wait';

const IMPATIENT = { DELIVERY_AGE_MAX_MS: '1000', RETRY_DELAY_MS_BASE: '100', RETRY_DELAY_MS_MAX: '200' };

describe('reconciliation, as an operator meets it', () => {
  let database: TestDatabase;
  let installation: Installation;

  beforeAll(async () => {
    database = await createDatabase();
    installation = await install(database.url, IMPATIENT, 60_000);
  });

  afterAll(async () => {
    await installation?.stop();
    await database?.drop();
  });

  const openCases = async (): Promise<Json[]> =>
    (await installation.client.get('/v1/reconciliation/cases?status=open&limit=200')).body.items;
  const resolve = (found: Json, resolution: string) =>
    installation.client.post(`/v1/reconciliation/cases/${found.caseId}/resolve`, { resolution, note: 'By phone.' });
  const order = async (): Promise<string> =>
    (await installation.client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 })).body.orderId;

  async function reconcile(body: object): Promise<Json> {
    const { client, worker } = installation;
    const asked = await client.post('/v1/reconciliation/runs', body);
    expect(asked.status).toBe(202);
    const path = `/v1/reconciliation/runs/${asked.body.reconciliationRunId}`;
    await waitFor(async () => (await client.get(path)).body.finishedAt !== null, {
      withinMs: 20_000,
      what: () => `the run to end; the worker printed:\n${worker.output()}`,
    });
    return (await client.get(path)).body;
  }

  it('opens a case soon after an order begins to wait, and what an operator decides is done by a worker', async () => {
    const { client, vendor } = installation;
    // The vendor books the order, says that it failed, and does not answer when asked about it.
    await vendor.faults({ acceptThen500: {}, error5xx: { operation: 'lookup' } });
    const orderId = await order();
    await waitFor(async () => (await openCases()).length === 1, { withinMs: 30_000, what: 'the case' });
    const [unknown] = await openCases();
    expect(unknown).toMatchObject({ kind: 'givenUpAndUnknown', orderId, vendorId: 'acme', status: 'open' });
    await vendor.faults({});
    await waitFor(
      async () => {
        await reconcile({ vendorId: 'acme' });
        return (await openCases())[0].kind === 'givenUpButAccepted';
      },
      { withinMs: 20_000, what: 'the vendor to be asked once its breaker lets us' },
    );
    const [found] = await openCases();
    expectProblem(await resolve(found, 'recount'), '400 VALIDATION_FAILED', ['resolution']);
    expectProblem(await resolve({ caseId: unknown.caseId }, 'fail'), '409 CASE_NOT_OPEN');
    const answers = await Promise.all([resolve(found, 'cancelAtVendor'), resolve(found, 'cancelAtVendor')]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    expect(answers.find(({ status }) => status === 200)!.body).toMatchObject({
      caseId: found.caseId,
      status: 'resolved',
      resolution: 'cancelAtVendor',
      note: 'By phone.',
      actor: 'admin',
    });
    await waitFor(async () => (await client.get(`/v1/orders/${orderId}`)).body.status === 'failed', {
      withinMs: 20_000,
      what: 'the vendor to cancel it',
    });
    expect(await vendor.accepted()).toEqual([]);
    expect(await reconcile({})).toMatchObject({ status: 'succeeded', found: 0, requestedBy: 'admin' });
    expect(await openCases()).toEqual([]);
  });

  it('tells of a dry run’s differences and opens no case', async () => {
    const { client, vendor } = installation;
    await order();
    await completed(installation, 1, 20_000);
    const [{ reference }] = (await vendor.accepted()) as [Json];
    await fetch(`${vendor.baseUrl}/orders/${reference}`, { method: 'DELETE' });
    const run = await reconcile({ vendorId: 'acme', dryRun: true });
    expect(run).toMatchObject({ dryRun: true, opened: 1, parts: [{ findings: [{ kind: 'completedButRefused' }] }] });
    expect(await openCases()).toEqual([]);
    expect((await client.get('/v1/reconciliation/runs')).body.items[0]).toMatchObject({
      reconciliationRunId: run.reconciliationRunId,
    });
  });

  it('counts what our books have, at once and by itself', async () => {
    const { client } = installation;
    expect(await client.get('/v1/consistency?fresh=true')).toMatchObject({
      status: 200,
      body: { ok: true, violations: [], checkedAt: expect.any(String) },
    });
    await database.dataSource.query(
      `UPDATE products SET reserved_quantity = reserved_quantity + 2 WHERE product_id = 'acme:A-7'`,
    );
    const fresh = (await client.get('/v1/consistency?fresh=true')).body;
    expect(fresh).toMatchObject({
      ok: false,
      violationCount: 1,
      violations: [{ invariant: 'reservedIsSumOfOpenHolds', productId: 'acme:A-7', expected: '0', found: '2' }],
    });
    expect((await client.get('/v1/consistency')).body).toEqual(fresh);
    await waitFor(async () => (await client.get('/v1/consistency')).body.checkedAt > fresh.checkedAt, {
      withinMs: 60_000,
      what: 'the worker to count',
    });
    expect((await client.get('/v1/consistency')).body).toMatchObject({ ok: false, violationCount: 1 });
    await reconcile({});
    const found = (await openCases()).find(({ kind }) => kind === 'reservedDiffers');
    expect((await resolve(found, 'recount')).status).toBe(200);
    expect((await client.get('/v1/consistency?fresh=true')).body).toMatchObject({ ok: true, violations: [] });
  }, 90_000);
});
