/** So many times faster than in production do the rules lose patience: a fault of a minute is one of ten. */
const QUICKENING = 10;
/**
 * But they wait so long at least: what mends itself in seconds (a process that starts again, a dead relay's claim that runs
 * out, a breaker's next probe) does so no faster for them.
 */
const PATIENCE_SECONDS_MIN = 15;

const SECONDS = { m: 60, h: 3600, d: 86_400 };
/** `[5m]`, but not the `5m` in a rule's name. */
const WINDOW = /\[(\d+)([mhd])\]/g;
/** `for: 5m` */
const PATIENCE = /(?<=for: )(\d+)([mhd])/g;
/** What is compared with a gauge in seconds. */
const AGE = /(_seconds\)\s*[>,]\s*)(\d+)/g;

/** Prometheus rules that judge in a tenth of the time. */
export function quickened(rules: string): string {
  return rules
    .replaceAll(WINDOW, (_, count: string, unit: Unit) => `[${Math.ceil(quicker(count, unit))}s]`)
    .replaceAll(PATIENCE, (_, count: string, unit: Unit) => `${patience(quicker(count, unit))}s`)
    .replaceAll(AGE, (_, before: string, seconds: string) => `${before}${patience(Number(seconds) / QUICKENING)}`);
}

type Unit = keyof typeof SECONDS;

function quicker(count: string, unit: Unit): number {
  return (Number(count) * SECONDS[unit]) / QUICKENING;
}

function patience(seconds: number): number {
  return Math.max(PATIENCE_SECONDS_MIN, Math.ceil(seconds));
}
