import { destination } from 'pino';

/** Lines wait for so many characters, or so long: a write each was 4 % of an order's cost. */
const GATHERED_MAX = 16_384;
export const WRITE_EVERY_MS = 100;
/** What waits for a slow reader at most: some 40,000 lines of requests. */
const WAITING_BYTES_MAX = 8 * 1024 ** 2;

export interface GatheredLinesOptions {
  fd: number;
  /** Told, once the reader is there again, how many lines were dropped meanwhile. */
  onDropped: (lines: number) => void;
  waitingBytesMax?: number;
}

/**
 * Lines of a log that never hold up who writes them: they are gathered, and dropped where too many wait. Gathered by the
 * destination itself, each cost twice as much: it measures all that wait at every one.
 */
export class GatheredLines {
  private gathered = '';
  private dropped = 0;
  private readonly output;

  constructor({ fd, onDropped, waitingBytesMax = WAITING_BYTES_MAX }: GatheredLinesOptions) {
    this.output = destination({ dest: fd, sync: false, maxLength: waitingBytesMax });
    this.output.on('drop', (lines: string) => (this.dropped += lines.split('\n').length - 1));
    this.output.on('drain', () => {
      if (this.dropped === 0) return;
      onDropped(this.dropped);
      this.dropped = 0;
    });
  }

  write(line: string): void {
    this.gathered += line;
    if (this.gathered.length >= GATHERED_MAX) this.pass();
  }

  pass(): void {
    if (this.gathered !== '') this.output.write(this.gathered);
    this.gathered = '';
  }

  writeLast(): void {
    this.pass();
    this.output.flushSync();
  }
}
