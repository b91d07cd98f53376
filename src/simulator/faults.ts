/**
 * The faults a vendor has at the moment, and whether one strikes this request. They live in memory: a restart clears
 * them.
 */
import { randomInt } from 'node:crypto';
import {
  FAULT_KINDS,
  type FaultKind,
  type FaultName,
  type FaultParameters,
  isFaultName,
  type NumberRule,
  type Operation,
  OPTION_RULES,
  type Traffic,
} from './fault-kinds';

/** Asked by whatever a fault can strike; answers the fault's parameters if it strikes now. */
export type Strikes = <N extends FaultName>(name: N) => FaultParameters[N] | undefined;

/** The request for faults was wrong; the message names what. Nothing has changed then. */
export class FaultsNotUnderstood extends Error {}

interface ActiveFault {
  readonly parameters: Record<string, number>;
  readonly operation?: Operation;
  readonly share: number;
  readonly count?: number;
  readonly seed: number;
  readonly random: () => number;
  fired: number;
}

export class Faults {
  private active = new Map<FaultName, ActiveFault>();

  /** Replaces all of them, and their counts. @throws FaultsNotUnderstood */
  replace(wanted: unknown): void {
    if (!isRecord(wanted))
      throw new FaultsNotUnderstood('The body must be an object of faults, such as {"outage": {}}.');
    const active = new Map<FaultName, ActiveFault>();
    for (const [name, settings] of Object.entries(wanted)) {
      if (!isFaultName(name)) {
        throw new FaultsNotUnderstood(
          `There is no fault ${JSON.stringify(name)}; there are: ${Object.keys(FAULT_KINDS).join(', ')}.`,
        );
      }
      active.set(name, readFault(name, settings));
    }
    this.active = active;
  }

  describe(): Record<string, object> {
    const described: Record<string, object> = {};
    for (const [name, { parameters, operation, share, count, seed, fired }] of this.active) {
      const { options } = FAULT_KINDS[name];
      described[name] = {
        ...parameters,
        ...(options.includes('share') && { share }),
        ...(count !== undefined && { count }),
        ...(operation && { operation }),
        ...(options.includes('seed') && { seed }),
        fired,
      };
    }
    return described;
  }

  /** Whether a fault strikes a request of this operation; asking counts, so ask only where it would strike. */
  strikes<N extends FaultName>(name: N, operation: Operation): FaultParameters[N] | undefined {
    const fault = this.active.get(name);
    if (!fault || !FAULT_KINDS[name].operations.includes(operation)) return undefined;
    if (fault.operation && fault.operation !== operation) return undefined;
    if (isSpent(fault) || (fault.share < 1 && fault.random() >= fault.share)) return undefined;
    fault.fired += 1;
    return fault.parameters as FaultParameters[N];
  }

  /** How far the vendor's clock is off. Each reading under a skew counts as a time it fired. */
  skewMs(): number {
    const fault = this.active.get('clockSkew');
    if (!fault) return 0;
    fault.fired += 1;
    return fault.parameters.ms as number;
  }

  /** The rate of what goes on by itself, and the dice for where; undefined when nothing does (any more). */
  traffic(name: Traffic): { perSecond: number; random: () => number; happened: () => void } | undefined {
    const fault = this.active.get(name);
    if (!fault || isSpent(fault)) return undefined;
    return {
      perSecond: fault.parameters.perSecond as number,
      random: fault.random,
      happened: () => void (fault.fired += 1),
    };
  }
}

function isSpent(fault: ActiveFault): boolean {
  return fault.count !== undefined && fault.fired >= fault.count;
}

function readFault(name: FaultName, settings: unknown): ActiveFault {
  if (!isRecord(settings)) throw new FaultsNotUnderstood(`${name} must be an object, such as {} or {"share": 0.5}.`);
  const kind = FAULT_KINDS[name];
  const known = [...Object.keys(kind.parameters), ...kind.options];
  for (const key of Object.keys(settings)) {
    if (known.includes(key)) continue;
    const may = known.length > 0 ? `it has: ${known.join(', ')}` : 'it has none';
    throw new FaultsNotUnderstood(`${name} has no parameter ${JSON.stringify(key)}; ${may}.`);
  }
  const parameters: Record<string, number> = {};
  for (const [key, rule] of Object.entries(kind.parameters)) {
    const value = readNumber(`${name}.${key}`, settings[key], rule);
    if (value !== undefined) parameters[key] = value;
  }
  const seed = readNumber(`${name}.seed`, settings.seed, OPTION_RULES.seed) ?? randomInt(2 ** 32);
  return {
    parameters,
    operation: readOperation(name, kind, settings.operation),
    share: readNumber(`${name}.share`, settings.share, OPTION_RULES.share) ?? 1,
    count: readNumber(`${name}.count`, settings.count, OPTION_RULES.count),
    seed,
    random: seededRandom(seed),
    fired: 0,
  };
}

function readNumber(path: string, value: unknown, rule: NumberRule): number | undefined {
  if (value === undefined && rule.optional) return undefined;
  const number = value === undefined ? rule.otherwise : value;
  const fits = typeof number === 'number' && number >= rule.min && number <= rule.max;
  if (fits && (!rule.whole || Number.isInteger(number))) return number;
  const found = value === undefined ? 'it is missing' : `it is ${JSON.stringify(value)}`;
  throw new FaultsNotUnderstood(
    `${path} must be a ${rule.whole ? 'whole ' : ''}number from ${rule.min} to ${rule.max}; ${found}.`,
  );
}

function readOperation(name: FaultName, kind: FaultKind, value: unknown): Operation | undefined {
  if (value === undefined) return undefined;
  const operation = kind.operations.find((each) => each === value);
  if (operation) return operation;
  throw new FaultsNotUnderstood(
    `${name}.operation must be one of ${kind.operations.join(', ')}; it is ${JSON.stringify(value)}.`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** mulberry32, so that a share can be repeated from its seed; Math.random() takes none. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
