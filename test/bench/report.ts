import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Spread } from './statistics';

/** What a section found: for people, and as data. */
export interface Report {
  tables: Table[];
  data: unknown;
}

export interface Table {
  title: string;
  /** The first column is text, the others are figures. */
  columns: string[];
  rows: string[][];
}

/** Not in git. */
export const RESULTS = join(__dirname, '..', '..', 'bench-results');

export function print({ title, columns, rows }: Table): void {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]!.length)));
  const line = (cells: string[]): string =>
    cells
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!)))
      .join('  ')
      .trimEnd();
  console.log(`\n${title}\n`);
  console.log(line(columns));
  console.log(widths.map((width) => '─'.repeat(width)).join('  '));
  for (const row of rows) console.log(line(row));
}

/** Answers the file. */
export function save(results: object): string {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${new Date().toISOString().replaceAll(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  return file;
}

/** `5,100 (4,900–5,300)` */
export function spreadText({ median, min, max }: Spread, digits = 0): string {
  return `${figure(median, digits)} (${figure(min, digits)}–${figure(max, digits)})`;
}

export function figure(value: number | undefined, digits = 0): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
