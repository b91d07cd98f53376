import { ChangeLog, CHANGES_KEPT_MAX } from '../../../src/simulator/change-log';

const ANY = () => true;

describe('the log of changes', () => {
  it('tells each changed row once, at its last change before the end that was asked for', () => {
    const log = new ChangeLog(5);
    [0, 1, 0, 2, 1].forEach((row, index) => log.record(row, 100 + index));

    expect(log.between(0, 5, 10, ANY)).toEqual({ rows: [0, 2, 1], through: 5, more: false });
    expect(log.between(0, 4, 10, ANY)).toEqual({ rows: [1, 0, 2], through: 4, more: false });
    expect(log.between(3, 5, 10, ANY).rows).toEqual([2, 1]);
    expect(log.between(0, 5, 10, (row) => row !== 2).rows).toEqual([0, 1]);
  });

  it('says where to go on, and that there is more only when there is', () => {
    const log = new ChangeLog(5);
    [0, 1, 2, 1].forEach((row, index) => log.record(row, 100 + index));

    const first = log.between(0, 4, 2, ANY);
    expect(first).toEqual({ rows: [0, 2], through: 3, more: true });
    expect(log.between(first.through, 4, 2, ANY)).toEqual({ rows: [1], through: 4, more: false });
    expect(log.between(0, 4, 3, ANY).more).toBe(false);
  });

  it('finds the last change before a time', () => {
    const log = new ChangeLog(5);
    [100, 200, 200, 300].forEach((ms, row) => log.record(row, ms));

    expect([100, 101, 200, 201, 300, 301].map((ms) => log.lastBefore(ms))).toEqual([0, 1, 1, 3, 3, 4]);
  });

  it('reaches back as many changes as it may, and not to numbers it never gave', () => {
    const log = new ChangeLog(5);
    for (let row = 0; row < 5; row++) log.record(row, 100);

    expect([2, 3, 5, 6].map((after) => log.reaches(after, 2))).toEqual([false, true, true, false]);
  });

  it('forgets the oldest changes at last, and knows that it does', () => {
    const log = new ChangeLog(10);
    let count = 0;
    while (count < CHANGES_KEPT_MAX + 250_000) log.record(count % 10, count++);

    expect(log.latest).toBe(count);
    expect([249_999, 250_000].map((after) => log.reaches(after, CHANGES_KEPT_MAX))).toEqual([false, true]);
    expect([249_999, 250_000].map((ms) => log.lastBefore(ms))).toEqual([undefined, 250_000]);
    expect(log.between(count - 3, count, 10, ANY).rows).toEqual([7, 8, 9]);
    log.record(9, count);
    expect(log.between(count - 3, count + 1, 10, ANY).rows).toEqual([7, 8, 9]);
  });
});
