/** One configuration key: how its text is read, what it is called when it is wrong, and what it means. */
export interface Setting<Value> {
  key: string;
  default: Value;
  /** The default as documentation shows it, where the value itself would not say enough. */
  defaultText?: string;
  meaning: string;
  /** What a right value looks like, completing "expected …". */
  expected: string;
  secret?: boolean;
  /** Answers undefined when the text is wrong. */
  parse(text: string): Value | undefined;
}

type About<Value> = Omit<Setting<Value>, 'expected' | 'parse'>;

/** Safe in a 32-bit timer, which fires at once beyond it. */
export const DURATION_MS_MAX = 2_147_483_647;

export function integer(about: About<number>, min: number, max = DURATION_MS_MAX): Setting<number> {
  return {
    ...about,
    expected: `a whole number from ${min} to ${max}`,
    parse: (text) => {
      const value = Number(text);
      return /^\d{1,15}$/.test(text) && value >= min && value <= max ? value : undefined;
    },
  };
}

/** A share: 0 is none, 1 is all. */
export function share(about: About<number>): Setting<number> {
  return {
    ...about,
    expected: 'a number from 0 to 1',
    parse: (text) => (/^\d*\.?\d{1,15}$/.test(text) && Number(text) <= 1 ? Number(text) : undefined),
  };
}

/** A name as RFC 9110 (5.6.2) allows it, and something behind it. */
const HEADER = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*([\x21-\x7e]+)\s*$/;
/** RFC 9110, 5.5, in ASCII. */
const HEADER_VALUE = /^[\t\x20-\x7e]+$/;

/** Header fields for requests to somebody else. */
export function headers(about: About<Record<string, string>>): Setting<Record<string, string>> {
  return {
    ...about,
    secret: true,
    expected: 'name=value, separated by commas, values percent-encoded',
    parse: (text) => {
      const pairs = text.split(',').map((pair) => HEADER.exec(pair));
      const values = pairs.map((pair) => decoded(pair?.[2] ?? ''));
      if (!values.every((value) => HEADER_VALUE.test(value))) return undefined;
      return Object.fromEntries(pairs.map((pair, index) => [pair![1]!, values[index]!]));
    },
  };
}

export function flag(about: About<boolean>): Setting<boolean> {
  return {
    ...about,
    expected: 'true or false',
    parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
  };
}

export function oneOf<Choice extends string>(about: About<Choice>, choices: readonly Choice[]): Setting<Choice> {
  return {
    ...about,
    expected: `one of ${choices.join(', ')}`,
    parse: (text) => choices.find((choice) => choice === text),
  };
}

export function matching<Value extends string | undefined>(
  about: About<Value>,
  pattern: RegExp,
  expected: string,
): Setting<Value> {
  return { ...about, expected, parse: (text) => (pattern.test(text) ? (text as Value) : undefined) };
}

export function url(about: About<string | undefined>, protocols: readonly string[]): Setting<string | undefined> {
  return {
    ...about,
    secret: true,
    expected: `a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    parse: (text) => {
      const parsed = URL.canParse(text) ? new URL(text) : undefined;
      return parsed && protocols.includes(parsed.protocol) && parsed.hostname !== '' ? text : undefined;
    },
  };
}

/** Empty where it is not encoded as it should be. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
