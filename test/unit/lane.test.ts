import { Overloaded } from '../../src/orders/orders.errors';
import { Lane, type Settled } from '../../src/orders/placement/lane';

/** A lane whose commits are ended by the test. */
function steered(
  limits = { batchMax: 3, waitingMax: 5, weightOf: (request: number) => (request >= 100 ? request / 100 : 1) },
) {
  const commits: { batch: number[]; end: () => void }[] = [];
  const lane = new Lane<number, string>(
    (batch) =>
      new Promise<Settled<string>[]>((resolve) => {
        const settled = batch.map((request) =>
          request < 0 ? { error: new Error(`bad ${request}`) } : { result: `done ${request}` },
        );
        commits.push({ batch, end: () => resolve(settled) });
      }),
    limits,
  );
  return { lane, commits };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a lane', () => {
  it('commits at once when idle, and what arrives meanwhile together', async () => {
    const { lane, commits } = steered();
    const first = lane.submit(1);
    await turn();
    const later = [lane.submit(2), lane.submit(3)];
    expect(commits.map(({ batch }) => batch)).toEqual([[1]]);
    commits[0]!.end();
    expect(await first).toBe('done 1');
    await turn();
    expect(commits.map(({ batch }) => batch)).toEqual([[1], [2, 3]]);
    commits[1]!.end();
    expect(await Promise.all(later)).toEqual(['done 2', 'done 3']);
  });

  it('commits no more than its limit together, in arrival order', async () => {
    const { lane, commits } = steered();
    const all = [1, 2, 3, 4, 5].map((request) => lane.submit(request));
    await turn();
    commits[0]!.end();
    await turn();
    commits[1]!.end();
    await Promise.all(all);
    expect(commits.map(({ batch }) => batch)).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
  });

  it('weighs what it commits together, and takes even the heaviest alone', async () => {
    const { lane, commits } = steered();
    const all = [1, 200, 1, 900].map((request) => lane.submit(request));
    for (let turns = 0; turns < 3; turns++) {
      await turn();
      commits[turns]!.end();
    }
    await Promise.all(all);
    expect(commits.map(({ batch }) => batch)).toEqual([[1, 200], [1], [900]]);
  });

  it('answers each its own: one that fails harms no other', async () => {
    const { lane, commits } = steered();
    const all = Promise.allSettled([lane.submit(1), lane.submit(-1), lane.submit(2)]);
    await turn();
    commits[0]!.end();
    expect(await all).toEqual([
      { status: 'fulfilled', value: 'done 1' },
      { status: 'rejected', reason: new Error('bad -1') },
      { status: 'fulfilled', value: 'done 2' },
    ]);
  });

  it('refuses at once when too many wait, and goes on afterwards', async () => {
    const { lane, commits } = steered();
    const waiting = [1, 2, 3, 4, 5].map((request) => lane.submit(request));
    await expect(lane.submit(6)).rejects.toThrow(Overloaded);
    await turn();
    commits[0]!.end();
    await turn();
    commits[1]!.end();
    await Promise.all(waiting);
    const next = lane.submit(7);
    await turn();
    commits[2]!.end();
    expect(await next).toBe('done 7');
  });
});
