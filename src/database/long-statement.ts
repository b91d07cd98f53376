import type { Socket } from 'node:net';
import type { ClientBase } from 'pg';
import { type Connection, rows } from './sql';

/** After its time-out the server still says that the statement took too long. */
const SAID_WITHIN_MS = 5000;

/**
 * Runs one statement that may take longer than a statement of ours usually may, in a transaction of its own: it works through
 * millions of rows. Until then the server says nothing, and its connection is not given up for that.
 */
export async function longStatement<Row>(
  on: Connection,
  { text, values = [], msMax }: { text: string; values?: unknown[]; msMax: number },
): Promise<Row[]> {
  return on.transaction(async (tx) => {
    const client = (await tx.queryRunner!.connect()) as ClientBase;
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    const silentMsMax = stream.timeout;
    if (silentMsMax !== undefined && silentMsMax > 0) stream.setTimeout(msMax + SAID_WITHIN_MS);
    try {
      await rows(tx, `SET LOCAL statement_timeout = ${msMax}`);
      return await rows<Row>(tx, text, values);
    } finally {
      if (silentMsMax !== undefined && silentMsMax > 0) stream.setTimeout(silentMsMax);
    }
  });
}
