/** Sends an answer a few bytes at a time, as fast as the fault says. */
import type { ServerResponse } from 'node:http';
import type { Waits } from '../waits';
import type { LongText } from './long-text';

/** Timers finer than this cost more than they tell; faster drips write more than one byte at a time. */
const PAUSE_MS_MIN = 10;

interface Dripped {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: LongText;
}

export async function dripOut(
  response: ServerResponse,
  { status, headers, text }: Dripped,
  bytesPerSecond: number,
  waits: Waits,
): Promise<void> {
  const bytesAtATime = Math.max(1, Math.round((bytesPerSecond * PAUSE_MS_MIN) / 1000));
  const mayHaveBody = status !== 204 && status !== 304;
  const length = text.parts === 1 ? { 'content-length': String(Buffer.byteLength(text.part(0))) } : {};
  response.writeHead(status, { ...headers, ...(mayHaveBody && length) }).flushHeaders();
  for (const drop of mayHaveBody ? dropsOf(text, bytesAtATime) : []) {
    if (response.destroyed) return;
    if (!(await waits.pass((bytesAtATime * 1000) / bytesPerSecond))) response.destroy();
    else response.write(drop);
  }
  response.end();
}

function* dropsOf(text: LongText, bytes: number): Generator<Buffer> {
  for (const part of text.all()) {
    const whole = Buffer.from(part);
    for (let sent = 0; sent < whole.length; sent += bytes) yield whole.subarray(sent, sent + bytes);
  }
}
