/**
 * How a vendor runs its business where vendors differ without anything being wrong: not faults. Switchable while it
 * runs (`PUT /_settings`); a restart takes what the vendor was started with.
 */
import { CHANGES_KEPT_MAX } from './change-log';
import type { DialectName } from './dialects/dialect-name';

export interface SettingValues {
  /** `feed`: the same file is served for at least this long, whatever is sold meanwhile. */
  generatedEveryMs: number;
  /** `feed`: how long after it was taken in an order is decided. */
  decidedAfterMs: number;
  /** `rest`, `wholesale`: how many changes a delta reaches back; who asks for more needs a complete listing. */
  deltaChangesMax: number;
  /** Whether it lists its orders (1) or not (0). */
  orderList: number;
}

type SettingName = keyof SettingValues;

const DAY_MS = 86_400_000;

const RULES: Readonly<Record<SettingName, { dialects: readonly DialectName[]; max: number; otherwise: number }>> = {
  generatedEveryMs: { dialects: ['feed'], max: DAY_MS, otherwise: 0 },
  // Long enough that a buyer sees an undecided order, short enough that nobody waits for it.
  decidedAfterMs: { dialects: ['feed'], max: DAY_MS, otherwise: 100 },
  deltaChangesMax: { dialects: ['rest', 'wholesale'], max: CHANGES_KEPT_MAX, otherwise: CHANGES_KEPT_MAX },
  orderList: { dialects: ['rest', 'wholesale', 'feed'], max: 1, otherwise: 1 },
};

export class Settings {
  private readonly values: SettingValues;

  constructor(
    private readonly dialect: DialectName,
    begin: Partial<SettingValues> = {},
  ) {
    const defaults = Object.fromEntries(Object.entries(RULES).map(([name, { otherwise }]) => [name, otherwise]));
    this.values = { ...(defaults as unknown as SettingValues), ...begin };
  }

  get generatedEveryMs(): number {
    return this.values.generatedEveryMs;
  }

  get decidedAfterMs(): number {
    return this.values.decidedAfterMs;
  }

  get deltaChangesMax(): number {
    return this.values.deltaChangesMax;
  }

  get orderList(): number {
    return this.values.orderList;
  }

  /** Sets what is said and keeps the rest. Answers what is wrong with it, and has changed nothing then. */
  change(wanted: unknown): string | undefined {
    if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) {
      return `The body must be an object with any of ${namesIn(this.dialect).join(', ')}`;
    }
    const complaint = complaintAboutSettings(this.dialect, wanted);
    if (complaint === undefined) Object.assign(this.values, wanted);
    return complaint;
  }

  /** Those that mean something in the vendor's dialect. */
  describe(): Record<string, number> {
    return Object.fromEntries(namesIn(this.dialect).map((name) => [name, this.values[name]]));
  }
}

export function complaintAboutSettings(dialect: DialectName, settings: object): string | undefined {
  const names = namesIn(dialect);
  for (const [name, value] of Object.entries(settings) as [SettingName, unknown][]) {
    if (!names.includes(name)) {
      return `the dialect ${dialect} has no setting ${JSON.stringify(name)}; it has ${names.join(', ')}`;
    }
    const { max } = RULES[name];
    if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > max) {
      return `${name} is not a whole number from 0 to ${max}`;
    }
  }
  return undefined;
}

function namesIn(dialect: DialectName): SettingName[] {
  return (Object.keys(RULES) as SettingName[]).filter((name) => RULES[name].dialects.includes(dialect));
}
