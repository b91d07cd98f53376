import { HealthRegistry } from '../../../src/health/health-registry';
import { Vitals } from '../../../src/lifecycle/vitals';
import { Polling } from '../../../src/messaging/polling';

const observer = { failed: jest.fn(), recovered: jest.fn() };
let polling: Polling;
let looks: number[];
let answers: (number | Error)[];

beforeEach(() => {
  jest.useFakeTimers();
  jest.clearAllMocks();
  looks = [];
  answers = [];
  polling = new Polling(
    'outbox',
    new Vitals(new HealthRegistry()),
    () => {
      looks.push(Date.now());
      const answer = answers.shift() ?? 0;
      return typeof answer === 'number' ? Promise.resolve(answer) : Promise.reject(answer);
    },
    observer,
  );
});
afterEach(async () => {
  await polling.stop();
  jest.useRealTimers();
});

function gaps(): number[] {
  return looks.slice(1).map((at, index) => at - looks[index]!);
}

it('looks every 10 ms while it finds something and backs off to 250 ms when it does not', async () => {
  answers = [3, 3, 3];
  polling.start();
  await jest.advanceTimersByTimeAsync(2_000);
  expect(gaps().slice(0, 9)).toEqual([10, 10, 10, 20, 40, 80, 160, 250, 250]);
});

it('looks at once when woken', async () => {
  polling.start();
  await jest.advanceTimersByTimeAsync(2_000);
  const before = looks.length;
  polling.wake();
  await jest.advanceTimersByTimeAsync(0);
  expect(looks).toHaveLength(before + 1);
});

it('looks once more when woken while it is looking, for that look may have come too early', async () => {
  let finishLook: (found: number) => void = () => undefined;
  let started = 0;
  const slow = new Polling(
    'outbox',
    new Vitals(new HealthRegistry()),
    () => {
      started += 1;
      return new Promise((resolve) => (finishLook = resolve));
    },
    observer,
  );
  slow.start();
  slow.wake();
  finishLook(0);
  await jest.advanceTimersByTimeAsync(0);
  expect(started).toBe(2);
  const stopped = slow.stop();
  finishLook(0);
  await stopped;
});

it('tells once that looking fails, tries again every second however often it is woken, and tells when it works again', async () => {
  answers = [new Error('away'), new Error('away'), new Error('away'), 0];
  polling.start();
  await jest.advanceTimersByTimeAsync(0);
  polling.wake();
  await jest.advanceTimersByTimeAsync(3_000);
  expect(gaps().slice(0, 3)).toEqual([1_000, 1_000, 1_000]);
  expect(observer.failed).toHaveBeenCalledTimes(1);
  expect(observer.recovered).toHaveBeenCalledTimes(1);
});

it('stops only when the look under way has ended, and looks no more', async () => {
  polling.start();
  await polling.stop();
  const before = looks.length;
  polling.wake();
  await jest.advanceTimersByTimeAsync(2_000);
  expect(looks).toHaveLength(before);
});
