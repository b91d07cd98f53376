import { InvalidCursor } from './refusal';
import { isTimestamp } from './rules';

/**
 * A keyset cursor: the sort key of the last row of a page, as the database wrote it (a JavaScript date would cut its
 * microseconds and skip or repeat rows).
 */
export function encodeCursor(key: readonly string[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** Throws `InvalidCursor` unless the text holds one part for each check, and each part passes its own. */
export function decodeCursor(cursor: string, checks: readonly ((part: string) => boolean)[]): string[] {
  const key = parse(cursor);
  const matches =
    Array.isArray(key) &&
    key.length === checks.length &&
    key.every((part, index) => typeof part === 'string' && checks[index]!(part));
  if (!matches) throw new InvalidCursor();
  return key as string[];
}

/** SQL that writes a timestamp to the microsecond, as cursors carry it. */
export const timestampText = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

export function isTimestampText(part: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(part) && isTimestamp(part);
}

/** Splits rows fetched with one more than the page holds. */
export function page<Row, Item>(
  found: Row[],
  limit: number,
  item: (row: Row) => Item,
  key: (row: Row) => readonly string[],
): { items: Item[]; nextCursor: string | null } {
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(item),
    nextCursor: found.length > limit && last !== undefined ? encodeCursor(key(last)) : null,
  };
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
