import { Waits } from '../../../src/simulator/waits';

describe('the waits of the simulator', () => {
  it('say that their time has passed', async () => {
    expect(await new Waits().pass(1)).toBe(true);
  });

  it('all end at once when it stops, and so does every later one', async () => {
    const waits = new Waits();
    const underWay = Array.from({ length: 50 }, () => waits.pass(600_000));
    expect(waits.underWay).toBe(50);

    waits.stop();

    expect(await Promise.all(underWay)).toEqual(Array(50).fill(false));
    expect(await waits.pass(600_000)).toBe(false);
    expect(waits.underWay).toBe(0);
  });
});
