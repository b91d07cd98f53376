import CliTable from 'cli-table3';
import { cutText } from '../../database/storable';

/** A column: its head, what of a row stands in it, and whether that is never cut. */
export type Column<Row> = readonly [head: string, of: (row: Row) => unknown, whole?: 'whole'];

/** A cell of a list is cut here; `show` has it whole. */
const CELL_CHARACTERS_MAX = 60;
/** A vendor's words may hold what a terminal takes for an order, or what turns the direction of its writing. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Cs}/gu;

/** Columns under their heads, without lines: to be read, and cut by other programs. */
export function listText<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const table = bare(columns.map(([head]) => head.toUpperCase()));
  for (const row of rows) table.push(columns.map(([, of, whole]) => cut(cellText(of(row)), whole)));
  return trimmed(table.toString());
}

/** One thing, a field a line; what is nested is written as JSON. */
export function fieldsText(thing: object): string {
  const table = bare();
  for (const [name, value] of Object.entries(thing)) table.push([name, cellText(value)]);
  return trimmed(table.toString());
}

/** `1 order`, `2 orders`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Without what would move a terminal's cursor. */
export function harmless(text: string): string {
  return text.replace(CONTROL, '�');
}

function bare(head: string[] = []): CliTable.Table {
  const sides = ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'];
  const lines = [...sides, 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'];
  return new CliTable({
    head,
    chars: { ...Object.fromEntries(lines.map((name) => [name, ''])), middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
}

function cellText(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return harmless(value);
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return harmless(value.join(', ') || '-');
  return harmless(JSON.stringify(value, null, 2));
}

function cut(text: string, whole: 'whole' | undefined): string {
  if (whole) return text;
  const line = text.replace(/\s+/g, ' ');
  return line.length > CELL_CHARACTERS_MAX ? `${cutText(line, CELL_CHARACTERS_MAX - 1)}…` : line;
}

function trimmed(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
