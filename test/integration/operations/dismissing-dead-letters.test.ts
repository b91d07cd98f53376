import { newId } from '../../../src/database/new-id';
import { Placement } from '../../../src/orders/placement/placement';
import { DeadLetterNotDismissable, DeadLetterNotFound } from '../../../src/operations/dead-letters/dead-letter.errors';
import { DeadLetterQueries } from '../../../src/operations/dead-letters/dead-letter-queries';
import { Dismissal } from '../../../src/operations/dead-letters/dismissal';
import { Replay } from '../../../src/operations/dead-letters/replay';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';

const BY = { client: 'desk', apiKeyId: 'k-1' };

describe('dismissing', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;
  /** Letters about: nothing, an order that never was, an order of ours. */
  let orphan: string;
  let stranger: string;
  let ours: string;

  beforeEach(async () => {
    app = await createApp();
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 10 });
    for (const vendorId of ['acme', 'globex']) await app.register({ vendorId, baseUrl: vendor.baseUrl });
    await app.sync('acme');
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    orphan = await letter({ vendorId: null, orderId: null });
    stranger = await letter({ vendorId: 'globex', orderId: newId() });
    ours = await letter({ vendorId: 'acme', orderId: order.orderId });
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  const dismissal = () => app.context.get(Dismissal);
  const get = (deadLetterId: string) => app.context.get(DeadLetterQueries).get(deadLetterId);
  const statuses = async () =>
    Object.fromEntries(
      (await app.context.get(DeadLetterQueries).list({ limit: 50 })).map(({ letter: { deadLetterId, status } }) => [
        deadLetterId,
        status,
      ]),
    );

  async function letter({ vendorId, orderId }: { vendorId: string | null; orderId: string | null }): Promise<string> {
    const deadLetterId = newId();
    await app.dataSource.query(
      `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload) VALUES ($1, $2, $3, 'why', '{}')`,
      [deadLetterId, vendorId, orderId],
    );
    return deadLetterId;
  }

  it('closes one that names no order of ours, and tells who asked', async () => {
    const told = { matched: 1, dismissed: 1, dryRun: false };
    expect(await dismissal().one(orphan, BY)).toEqual(told);
    expect(await dismissal().one(stranger, BY)).toEqual(told);
    expect(await get(stranger)).toMatchObject({
      status: 'dismissed',
      decidedBy: 'desk',
      decidedAt: expect.any(String),
    });
    expect(await statuses()).toEqual({ [orphan]: 'dismissed', [stranger]: 'dismissed', [ours]: 'open' });
  });

  it('leaves one alone that was decided before', async () => {
    await dismissal().one(orphan, BY);
    const { decidedAt } = await get(orphan);
    expect(await dismissal().one(orphan, { ...BY, client: 'other' })).toEqual({
      matched: 0,
      dismissed: 0,
      dryRun: false,
    });
    expect(await get(orphan)).toMatchObject({ decidedAt, decidedBy: 'desk' });
    await app.context.get(Replay).one(ours, BY);
    expect((await dismissal().one(ours, BY)).matched).toBe(0);
  });

  it('refuses one about an order, which would be forgotten with it', async () => {
    await expect(dismissal().one(ours, BY)).rejects.toThrow(DeadLetterNotDismissable);
    expect(await statuses()).toMatchObject({ [ours]: 'open' });
  });

  it('refuses one that is not there', async () => {
    await expect(dismissal().one(newId(), BY)).rejects.toThrow(DeadLetterNotFound);
  });

  it('of all closes those about no order of ours, and of a dry run none', async () => {
    expect(await dismissal().many({}, true, BY)).toEqual({ matched: 3, dismissed: 2, dryRun: true });
    expect(await statuses()).toEqual({ [orphan]: 'open', [stranger]: 'open', [ours]: 'open' });
    expect(await dismissal().many({}, false, BY)).toEqual({ matched: 3, dismissed: 2, dryRun: false });
    expect(await statuses()).toEqual({ [orphan]: 'dismissed', [stranger]: 'dismissed', [ours]: 'open' });
    expect(await dismissal().many({}, false, BY)).toEqual({ matched: 1, dismissed: 0, dryRun: false });
  });

  it('of some keeps to those of a vendor, or of before a time', async () => {
    expect(await dismissal().many({ vendorId: 'globex' }, false, BY)).toMatchObject({ matched: 1, dismissed: 1 });
    expect(await dismissal().many({ before: at(-60) }, false, BY)).toMatchObject({ matched: 0, dismissed: 0 });
    expect(await statuses()).toEqual({ [orphan]: 'open', [stranger]: 'dismissed', [ours]: 'open' });
  });

  it('by several at once closes each once', async () => {
    const told = await Promise.all([1, 2, 3, 4].map(() => dismissal().many({}, false, BY)));
    expect(told.reduce((sum, { dismissed }) => sum + dismissed, 0)).toBe(2);
  });
});
