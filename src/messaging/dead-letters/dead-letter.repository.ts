import { Injectable } from '@nestjs/common';
import { newId } from '../../database/new-id';
import type { Transaction } from '../../database/sql';

/** Length of the column; a longer cause is cut. */
const CAUSE_LENGTH_MAX = 1_000;

export interface DeadLetter {
  vendorId: string | null;
  orderId: string | null;
  cause: string;
  payload: Record<string, unknown>;
}

/** What was given up and waits for an operator. */
@Injectable()
export class DeadLetterRepository {
  async insert(tx: Transaction, { vendorId, orderId, cause, payload }: DeadLetter): Promise<void> {
    await tx.query(
      `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload) VALUES ($1, $2, $3, $4, $5)`,
      // PostgreSQL refuses a NUL in text, and an error's words may hold anything.
      [newId(), vendorId, orderId, cause.replaceAll('\0', '').slice(0, CAUSE_LENGTH_MAX), JSON.stringify(payload)],
    );
  }
}
