import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatheredLines } from '../../../src/observability/gathered-lines';
import { waitFor } from '../../support/wait';

const LINE = `${'x'.repeat(99)}\n`;
/** What a pipe holds on Linux, and our own bound twice over. */
const LINES = 5000;
const WAITING_BYTES_MAX = 100_000;

describe('lines of a log that nobody reads', () => {
  let folder: string;
  let pipe: { write: number; read: number };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-lines-'));
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    pipe = { read, write: openSync(path, constants.O_WRONLY) };
  });

  afterEach(() => {
    closeSync(pipe.write);
    closeSync(pipe.read);
    rmSync(folder, { recursive: true });
  });

  it('are dropped beyond a bound, whole, and counted for who reads again', async () => {
    let dropped = 0;
    const lines = new GatheredLines({
      fd: pipe.write,
      waitingBytesMax: WAITING_BYTES_MAX,
      onDropped: (count) => (dropped += count),
    });
    for (let line = 0; line < LINES; line++) lines.write(LINE);
    lines.pass();
    let read = '';
    await waitFor(() => ((read += readNow()), dropped > 0), {
      withinMs: 10_000,
      what: 'the count of what was dropped',
    });
    read += readNow();
    expect(read).toBe(LINE.repeat(LINES - dropped));
  });

  function readNow(): string {
    const buffer = Buffer.alloc(1024 * 1024);
    try {
      return buffer.toString('utf8', 0, readSync(pipe.read, buffer));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return '';
      throw error;
    }
  }
});
