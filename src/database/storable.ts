/**
 * Text from outside, as PostgreSQL takes it and as a terminal may show it. Vendors, clients and brokers send whatever they
 * like: PostgreSQL refuses NUL in text and jsonb, and half of a surrogate pair in jsonb, and a refused statement ends
 * whatever wrote it.
 */

/** Half of a surrogate pair, control characters (C0, C1), line separators, and marks that turn the direction of writing. */
const UNSAFE = /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const EACH_UNSAFE = new RegExp(UNSAFE, 'gu');
const BLANKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
const REPLACEMENT = '\ufffd';

/**
 * One line of text: blanks of any kind become one space, everything else that is unsafe U+FFFD. Cut to so many UTF-16 units
 * at most, which are never fewer than the characters PostgreSQL counts, and never within a character.
 */
export function storableText(text: string, lengthMax: number): string {
  const short = cutText(text, lengthMax);
  return UNSAFE.test(short) ? short.replace(BLANKS, ' ').replace(EACH_UNSAFE, REPLACEMENT) : short;
}

/** The beginning of a text, never ending within a character. */
export function cutText(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text;
  const isHalved = /[\ud800-\udbff]/.test(text.charAt(lengthMax - 1)) && /[\udc00-\udfff]/.test(text.charAt(lengthMax));
  return text.slice(0, isHalved ? lengthMax - 1 : lengthMax);
}

/** A value as the text of a `jsonb`: without NUL and halves of surrogate pairs, which JSON.stringify writes as escapes. */
export function jsonbOf(value: unknown): string {
  return JSON.stringify(value).replace(/\\(?:u[0-9a-f]{4}|.)/g, (escape) =>
    /^\\u(?:0000|d)/.test(escape) ? String.raw`\ufffd` : escape,
  );
}
