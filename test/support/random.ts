import { randomInt } from 'node:crypto';

/** At least 0, below 1. */
export type Random = () => number;

/** Runs with a seed that a failure prints: `SEED=… npm test -- <suite>` makes the same choices again. */
export async function seeded<Result>(run: (random: Random) => Promise<Result>): Promise<Result> {
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
  try {
    return await run(randomOf(seed));
  } catch (error) {
    console.error(`The choices of this run can be made again with SEED=${seed}.`);
    throw error;
  }
}

export function shuffled<Item>(items: Item[], random: Random): Item[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other]!, mixed[last]!];
  }
  return mixed;
}

export function oneOf<Item>(items: Item[], random: Random): Item {
  return items[Math.floor(random() * items.length)]!;
}

/** mulberry32 (Tommy Ettinger, public domain). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
