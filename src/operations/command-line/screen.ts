import { clearLine, cursorTo } from 'node:readline';
import { type Column, fieldsText, harmless, listText } from './table';

/** Characters of a progress bar. */
const BAR_LENGTH = 30;

/** Where a command writes: answers to standard output, everything else to standard error. */
export interface Streams {
  out: NodeJS.WritableStream;
  err: NodeJS.WritableStream & { isTTY?: boolean };
}

/** What an operator, or a script, sees. */
export class Screen {
  constructor(
    private readonly streams: Streams,
    /** Answers as JSON, as the API gave them. */
    readonly json: boolean,
  ) {}

  /** The answer of a list. */
  list<Row>(page: { items: Row[]; nextCursor?: string | null }, columns: readonly Column<Row>[], none: string): void {
    if (this.json) return this.say(JSON.stringify(page, null, 2));
    this.say(page.items.length === 0 ? none : listText(page.items, columns));
    if (page.nextCursor) this.note('There are more: raise --limit.');
  }

  /** The answer about one thing. */
  show(thing: object): void {
    this.say(this.json ? JSON.stringify(thing, null, 2) : fieldsText(thing));
  }

  /** The answer in words, or what they say as JSON. */
  tell(sentence: string, thing: object): void {
    this.say(this.json ? JSON.stringify(thing, null, 2) : harmless(sentence));
  }

  /** Beside the answer. */
  note(sentence: string): void {
    this.streams.err.write(`${harmless(sentence)}\n`);
  }

  /** Redrawn in its place; nothing where nobody watches. `total` null: nobody knows. */
  progress(done: number, total: number | null, what: string): void {
    if (!this.streams.err.isTTY) return;
    this.clearProgress();
    const share = total === null || total === 0 ? undefined : Math.min(1, done / total);
    const filled = Math.round((share ?? 0) * BAR_LENGTH);
    const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_LENGTH - filled)}]`;
    const percent = share === undefined ? '' : ` ${Math.floor(share * 100)} %`;
    this.streams.err.write(`${bar}${percent} ${harmless(what)}`);
  }

  clearProgress(): void {
    if (!this.streams.err.isTTY) return;
    cursorTo(this.streams.err, 0);
    clearLine(this.streams.err, 0);
  }

  private say(text: string): void {
    this.streams.out.write(`${text}\n`);
  }
}
