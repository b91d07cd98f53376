import { VendorClock } from '../../../src/simulator/vendor-clock';

describe('the clock of a simulated vendor', () => {
  let wallMs: number;
  let steadyMs: number;
  let skewMs: number;
  let clock: VendorClock;

  beforeEach(() => {
    [wallMs, steadyMs, skewMs] = [1_000_000, 0, 0];
    clock = clockFrom(-Infinity);
  });

  function clockFrom(lastMs: number): VendorClock {
    return new VendorClock(lastMs, () => skewMs, { wallMs: () => wallMs, steadyMs: () => steadyMs });
  }

  function pass(ms: number): void {
    wallMs += ms;
    steadyMs += ms;
  }

  it('shows the time', () => {
    pass(5);
    expect(clock.now()).toBe(1_000_005);
  });

  it('jumps ahead with a skew, and when it is taken away goes on at half speed until the time has caught up', () => {
    skewMs = 1_000;
    expect(clock.now()).toBe(1_001_000);
    skewMs = 0;
    pass(100);
    expect(clock.now()).toBe(1_001_050);
    pass(1_900);
    expect(clock.now()).toBe(1_002_000);
    pass(100);
    expect(clock.now()).toBe(1_002_100);
  });

  it('does not go back when the clock of the machine does', () => {
    expect(clock.now()).toBe(1_000_000);
    wallMs -= 60_000;
    expect(clock.now()).toBe(1_000_000);
    steadyMs += 10;
    expect(clock.now()).toBe(1_000_005);
  });

  it('goes back at once for a skew while it has told nobody the time', () => {
    skewMs = -3_600_000;
    expect(clock.now()).toBe(1_000_000 - 3_600_000);
  });

  it('goes on from the latest time of the ledger', () => {
    expect(clockFrom(2_000_000).now()).toBe(2_000_000);
    expect(clockFrom(2_000_000).isAhead(2_000_000)).toBe(true);
    expect(clock.isAhead(clock.now())).toBe(false);
  });
});
