import { HealthRegistry } from '../../src/health/health-registry';
import { LoopHangs, Pulse, Vitals } from '../../src/lifecycle/vitals';

let health: HealthRegistry;
let vitals: Vitals;
let pulse: Pulse;

beforeEach(() => {
  health = new HealthRegistry();
  vitals = new Vitals(health);
  pulse = new Pulse('relay');
  vitals.watch(pulse);
});
afterEach(() => vitals.release(pulse));

function pass(seconds: number): void {
  for (let second = 0; second < seconds; second += 1) vitals.tick();
}

async function obstacle(): Promise<string | undefined> {
  const { duties, check } = health.checks.find(({ name }) => name === 'loops')!;
  expect(duties).toEqual(['worker']);
  return (await check()).obstacle;
}

it('finds no fault with a loop that turns now and then', async () => {
  pass(40);
  await pulse.turn(() => Promise.resolve());
  pass(40);
  expect(await obstacle()).toBeUndefined();
});

it('names a loop that has had no successful turn for 45 s, and is content again after one', async () => {
  pass(46);
  expect(await obstacle()).toBe('relay has done nothing for 46 s');
  await expect(pulse.turn(() => Promise.reject(new Error('the database is away')))).rejects.toThrow('away');
  expect(await obstacle()).toBeDefined();
  await pulse.turn(() => Promise.resolve());
  expect(await obstacle()).toBeUndefined();
});

it('does not judge a loop that has stopped', async () => {
  vitals.release(pulse);
  pass(1000);
  expect(await obstacle()).toBeUndefined();
});

it('throws over a turn that does not end in five minutes, however many ended before', async () => {
  let end: () => void = () => undefined;
  await pulse.turn(() => Promise.resolve());
  pass(1000);
  const turn = pulse.turn(() => new Promise<void>((resolve) => (end = resolve)));
  pass(300);
  expect(() => vitals.tick()).toThrow(LoopHangs);
  end();
  await turn;
  expect(() => pass(1000)).not.toThrow();
});
