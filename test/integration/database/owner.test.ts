import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataDirectoryAt } from '../../../src/database/embedded/data-directory';
import { type Claim, claim } from '../../../src/database/embedded/owner';

/** Each claimant sees only itself. */
jest.mock('../../../src/database/embedded/live-process', () => {
  let claimants = 0;
  let looks = 0;
  return {
    processNamespace: () => Promise.resolve(`pid:[${++claimants}]`),
    startTimeOf: () => Promise.resolve(`look ${++looks}`),
  };
});

/** Longer than an owner waits before it touches its file again. */
const SILENT_MS_MAX = 3000;
const CLAIMANTS = 4;

describe('a data directory that several containers claim at the same moment', () => {
  let dataDir: string;

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'holdfast-owner-'));
  });

  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  it.each([
    ['is new', undefined],
    ['was of one that is dead', JSON.stringify({ pid: 1, startedAt: 'there', namespace: 'pid:[0]' })],
  ])('is taken by one of them where it %s', async (_, left) => {
    const directory = dataDirectoryAt(dataDir);
    if (left !== undefined) writeFileSync(directory.ownerFile, left);
    const claims = await Promise.allSettled(Array.from({ length: CLAIMANTS }, () => claim(directory, SILENT_MS_MAX)));
    const taken = claims.filter((each): each is PromiseFulfilledResult<Claim> => each.status === 'fulfilled');
    for (const { value } of taken) await value.release();
    expect(taken).toHaveLength(1);
    for (const each of claims)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ name: 'DataDirectoryInUse' });
  });
});
