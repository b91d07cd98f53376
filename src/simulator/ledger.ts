/**
 * A vendor's ledger: an append-only NDJSON file of everything that happened there, on disk before an answer about it
 * leaves. It survives `kill -9`; against a disk that lies about flushing it can do nothing.
 */
import { fstatSync } from 'node:fs';
import { type FileHandle, mkdir, open, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type LedgerEvent, readLedgerEvent } from './ledger-event';

const NEWLINE = 0x0a;
/** Longer than any event with its longest fields; a longer line means that the file is not a ledger. */
const LINE_BYTES_MAX = 16_384;
const ON_DISK = Promise.resolve();

type Notice = (sentence: string) => void;

/** The events of one flush, and the promise that all who wait for it share. */
interface Batch {
  lines: string[];
  written: PromiseWithResolvers;
}

interface PromiseWithResolvers {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: Error) => void;
}

export class Ledger {
  private gathering: Batch | undefined;
  private flushing: Batch | undefined;
  private broken: Error | undefined;

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private sizeBytes: number,
    private readonly notice: Notice,
  ) {}

  /**
   * Opens or creates the file and hands every event in it to `replay`, oldest first.
   * @throws Error if a line before the last cannot be read: the books would be wrong, so nothing is started on them.
   */
  static async open(path: string, replay: (event: LedgerEvent) => void, notice: Notice): Promise<Ledger> {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'a+');
    try {
      const wholeBytes = await readLines(path, file, replay);
      const { size } = await file.stat();
      if (size > wholeBytes) {
        await truncate(path, wholeBytes);
        notice(`${path}: dropped ${size - wholeBytes} bytes of a last line that was never finished or answered.`);
      }
      await file.sync();
      await syncDirectory(dirname(path));
      return new Ledger(path, file, wholeBytes, notice);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Takes the event down at once; it is on disk when the next `onDisk()` resolves. @throws Error if the ledger broke.
   */
  append(event: LedgerEvent): void {
    if (this.broken) throw this.broken;
    this.gathering ??= { lines: [], written: promiseWithResolvers() };
    this.gathering.lines.push(`${JSON.stringify(event)}\n`);
    if (!this.flushing) void this.flush();
  }

  /** Resolves when everything appended so far is on disk. */
  onDisk(): Promise<void> {
    if (this.broken) return Promise.reject(this.broken);
    return (this.gathering ?? this.flushing)?.written.promise ?? ON_DISK;
  }

  async close(): Promise<void> {
    await this.onDisk().catch(() => undefined);
    await this.file.close();
  }

  /**
   * Group commit: what arrives during one flush shares the next, so 64 buyers at a time cost a flush for all of them
   * instead of 64. A failed flush ends the ledger: what is on disk then is unknown until it is read again.
   */
  private async flush(): Promise<void> {
    while (this.gathering && !this.broken) {
      const batch = this.gathering;
      this.flushing = batch;
      this.gathering = undefined;
      try {
        await this.write(batch.lines.join(''));
        batch.written.resolve();
      } catch (error) {
        this.fail(error as Error, batch);
      }
    }
    this.flushing = undefined;
  }

  private async write(text: string): Promise<void> {
    if (fstatSync(this.file.fd).size !== this.sizeBytes) {
      throw new Error('another program writes to this file; give each simulator its own data directory');
    }
    await this.file.appendFile(text);
    await this.file.datasync();
    this.sizeBytes += Buffer.byteLength(text);
  }

  private fail(cause: Error, batch: Batch): void {
    this.broken = new Error(`${this.path}: the ledger stopped (${cause.message}). Start the simulator again.`, {
      cause,
    });
    this.notice(this.broken.message);
    batch.written.reject(this.broken);
    this.gathering?.written.reject(this.broken);
    this.gathering = undefined;
  }
}

export function ledgerPath(dataDir: string, vendorId: string): string {
  return join(dataDir, `${vendorId}.ledger.ndjson`);
}

/** Answers how many bytes whole lines take up; what follows them is a line that was torn in the middle of its write. */
async function readLines(path: string, file: FileHandle, replay: (event: LedgerEvent) => void): Promise<number> {
  let wholeBytes = 0;
  let lineNumber = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false }) as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, start)) {
      lineNumber += 1;
      try {
        replay(readLedgerEvent(rest.toString('utf8', start, end)));
      } catch (cause) {
        throw new Error(
          `${path}, line ${lineNumber} is no ledger entry (${(cause as Error).message}). ` +
            'Move the file away to start with empty books, or mend the line.',
          { cause },
        );
      }
      start = end + 1;
    }
    wholeBytes += start;
    rest = rest.subarray(start);
    if (rest.length > LINE_BYTES_MAX) throw new Error(`${path} is no ledger: line ${lineNumber + 1} never ends.`);
  }
  return wholeBytes;
}

/** Without this a new file can be missing from its directory after a power cut. Windows cannot open a directory. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** A flush may fail while nobody waits for it (an outside sale); that must not end the process. */
function promiseWithResolvers(): PromiseWithResolvers {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
