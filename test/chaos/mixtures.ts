import { randomOf, shuffled } from '../support/random';
import type { Fault } from './faults/fault';
import type { Round } from './round';

const FAULTS_MAX = 3;
const DURATION_MS = { min: 4_000, max: 20_000 };

/** Random faults at once, never two of one part, for a random while; the same seed, the same mixtures. */
export function* mixtures(faults: Fault[], seed: number): Generator<Round> {
  const random = randomOf(seed);
  for (let number = 1; ; number++) {
    const chosen: Fault[] = [];
    const wanted = 1 + Math.floor(random() * FAULTS_MAX);
    for (const fault of shuffled(faults, random)) {
      if (chosen.length < wanted && chosen.every(({ part }) => part !== fault.part)) chosen.push(fault);
    }
    yield {
      name: `${number}: ${chosen.map(({ name }) => name).join(' + ')}`,
      seed: Math.floor(random() * 2 ** 31),
      faults: chosen,
      durationMs: DURATION_MS.min + random() * (DURATION_MS.max - DURATION_MS.min),
      lengthy: false,
      mustStrike: false,
      watched: false,
    };
  }
}
