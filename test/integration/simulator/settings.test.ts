import { SimulatedShop } from './simulated-shop';

describe('the settings of a simulated vendor', () => {
  it('are those of its dialect, begin as it was started, and are changed one by one', async () => {
    const shop = await SimulatedShop.open({ dialect: 'feed', settings: { decidedAfterMs: 5 } });
    const begun = (await shop.request('GET', '/_settings')).body;
    const changed = await shop.request('PUT', '/_settings', { generatedEveryMs: 7 });

    expect(begun).toEqual({ generatedEveryMs: 0, decidedAfterMs: 5, orderList: 1 });
    expect([changed.status, changed.body]).toEqual([200, { generatedEveryMs: 7, decidedAfterMs: 5, orderList: 1 }]);
    await shop.close();
  });

  it.each([
    ['decidedAfterMs', { decidedAfterMs: 5 }],
    ['deltaChangesMax', { deltaChangesMax: -1 }],
    ['deltaChangesMax', { deltaChangesMax: '5' }],
    ['object', []],
  ])('are refused naming %s when they are %j, and nothing changes', async (named, wanted) => {
    const shop = await SimulatedShop.open({ dialect: 'wholesale' });
    const reply = await shop.request('PUT', '/_settings', wanted);

    expect([reply.status, reply.body.code]).toEqual([400, 'BAD_SETTING']);
    expect(reply.body.message).toContain(named);
    expect((await shop.request('GET', '/_settings')).body).toEqual({ deltaChangesMax: 1_000_000, orderList: 1 });
    await shop.close();
  });

  it('keep a vendor from being opened when they make no sense', async () => {
    await expect(SimulatedShop.open({ settings: { generatedEveryMs: 5 } })).rejects.toThrow('generatedEveryMs');
  });
});
