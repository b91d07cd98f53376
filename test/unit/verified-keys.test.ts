import type { ApiKey } from '../../src/auth/api-key';
import { VerifiedKeys } from '../../src/auth/verified-keys';

const HASH = Buffer.from('of a secret');
const KEY: ApiKey = {
  apiKeyId: 'id',
  name: 'shop',
  client: 'shop',
  scopes: ['catalog:read'],
  createdAt: '2030-01-01T00:00:00.000Z',
  expiresAt: null,
};

describe('a verified key', () => {
  let answer: () => Promise<ApiKey | undefined>;
  let lookUp: jest.Mock<Promise<ApiKey | undefined>>;
  let keys: VerifiedKeys;

  beforeEach(() => {
    jest.useFakeTimers({ now: Date.parse('2030-01-01T12:00:00Z') });
    answer = () => Promise.resolve(KEY);
    lookUp = jest.fn(() => answer());
    keys = new VerifiedKeys(lookUp);
  });
  afterEach(() => jest.useRealTimers());

  const away = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }));
  const silent = () => new Promise<never>(() => undefined);

  async function found(): Promise<ApiKey | undefined> {
    const asked = keys.find(HASH);
    asked.catch(() => undefined);
    await jest.advanceTimersByTimeAsync(300);
    return asked;
  }

  it('is looked up once by all who ask at once, and again after five seconds', async () => {
    await Promise.all([keys.find(HASH), keys.find(HASH)]);
    jest.advanceTimersByTime(4_900);
    await keys.find(HASH);
    expect(lookUp).toHaveBeenCalledTimes(1);
    jest.advanceTimersByTime(200);
    await keys.find(HASH);
    expect(lookUp).toHaveBeenCalledTimes(2);
  });

  it.each([
    ['refuses connections', away],
    ['is silent', silent],
  ])('is believed while the database %s, and never longer than a minute', async (_, failing) => {
    await keys.find(HASH);
    answer = failing;
    for (let seconds = 1; seconds < 59; seconds++) {
      jest.advanceTimersByTime(700);
      expect(await found()).toEqual(KEY);
    }
    jest.advanceTimersByTime(2_000);
    const asked = expect(keys.find(HASH)).rejects.toThrow();
    await jest.advanceTimersByTimeAsync(300);
    await asked;
  });

  it('is not asked for at every request meanwhile', async () => {
    await keys.find(HASH);
    answer = away;
    jest.advanceTimersByTime(5_000);
    for (let request = 0; request < 100; request++) await keys.find(HASH);
    expect(lookUp).toHaveBeenCalledTimes(2);
  });

  it('is refused at once when the database is back and does not know it any more', async () => {
    await keys.find(HASH);
    answer = away;
    jest.advanceTimersByTime(5_000);
    expect(await keys.find(HASH)).toEqual(KEY);
    answer = () => Promise.resolve(undefined);
    jest.advanceTimersByTime(2_000);
    expect(await keys.find(HASH)).toBeUndefined();
    answer = away;
    await expect(keys.find(HASH)).rejects.toThrow('gone');
  });

  it('is not believed beyond its own expiry', async () => {
    answer = () => Promise.resolve({ ...KEY, expiresAt: '2030-01-01T12:00:08.000Z' });
    expect(await keys.find(HASH)).toBeDefined();
    answer = away;
    jest.advanceTimersByTime(7_900);
    expect(await keys.find(HASH)).toBeDefined();
    jest.advanceTimersByTime(200);
    await expect(keys.find(HASH)).rejects.toThrow('gone');
  });

  it('is not kept by a look-up that began before keys were revoked here', async () => {
    let answerLate!: (key: ApiKey) => void;
    answer = () => new Promise((resolve) => (answerLate = resolve));
    const early = keys.find(HASH);
    keys.forget();
    answerLate(KEY);
    await early;
    answer = () => Promise.resolve(undefined);
    expect(await keys.find(HASH)).toBeUndefined();
  });

  it('is not what an unknown key becomes: a failure of the database is told', async () => {
    answer = away;
    await expect(keys.find(HASH)).rejects.toThrow('gone');
  });
});
