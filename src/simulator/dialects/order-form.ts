/** Reads an order that a buyer sent: the same three things in every dialect, under its own names. */
import { isReference, isSku, isWholeNumber, ORDER_QUANTITY_MAX } from '../catalogue';
import type { QueuedOrder } from '../stock-book';

type FieldNames = { readonly [field in keyof QueuedOrder]: string };

/** Answers the order, or what is wrong with it. */
export function readOrder(body: unknown, names: FieldNames): QueuedOrder | string {
  const known = Object.values(names).join(', ');
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return `The body must be an object with ${known}.`;
  const fields = body as Record<string, unknown>;
  const unknown = Object.keys(fields).find((field) => !Object.values(names).includes(field));
  if (unknown !== undefined) return `There is no field ${JSON.stringify(unknown)}; there are ${known}.`;
  const { [names.reference]: reference, [names.sku]: sku, [names.quantity]: quantity } = fields;
  if (!isReference(reference)) return `${names.reference} must be 1 to 128 printable characters.`;
  if (!isSku(sku)) return `${names.sku} must be 1 to 128 printable characters.`;
  if (!isWholeNumber(quantity, 1, ORDER_QUANTITY_MAX)) {
    return `${names.quantity} must be a whole number from 1 to ${ORDER_QUANTITY_MAX}.`;
  }
  return { reference, sku, quantity };
}
