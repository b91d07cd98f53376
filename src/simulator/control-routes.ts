/**
 * How a test looks behind a vendor's counter: its ledger, its stock, its settings, its faults. Never faulted, and open even where the
 * vendor asks for a token: they belong to who runs the simulator, which therefore must not listen where others can
 * reach.
 */
import { randomInt } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { isName, isPrice, isSku, isWholeNumber, SEED_MAX, STOCK_QUANTITY_MAX } from './catalogue';
import type { OpenVendor } from './dialects/exchange';
import { FaultsNotUnderstood } from './faults';

const TOUCH_SHAPE = 'The body must be {"touch": {"count": 100}} or {"touch": {"share": 0.01}}, with a seed if wanted.';

interface StockChange {
  quantity?: number;
  price?: string;
  name?: string;
}

type SkuRoute = { Params: { sku: string } };

export function controlRoutes(app: FastifyInstance, vendor: OpenVendor, faultsReplaced: () => void): void {
  const { shop, stockroom, faults, settings } = vendor;

  app.get<{ Querystring: Record<string, unknown> }>('/_ledger', async (request, reply) => {
    const { reference, ...others } = request.query;
    if (Object.keys(others).length > 0 || (reference !== undefined && typeof reference !== 'string')) {
      return reply.code(400).send(badRequest('The ledger can be filtered by one reference only: ?reference=…'));
    }
    return { items: await shop.purchases(reference) };
  });

  app.put<SkuRoute>('/_stock/:sku', async (request, reply) => {
    const change = readStockChange(request.params.sku, request.body);
    if (typeof change === 'string') return reply.code(400).send(badRequest(change));
    return stockroom.adjust(request.params.sku, change);
  });

  app.put('/_stock', async (request, reply) => {
    const touch = readTouch(request.body, stockroom.sizeOf({ source: 'now' }));
    if (typeof touch === 'string') return reply.code(400).send(badRequest(touch));
    return { touched: await stockroom.touch(touch.count, touch.seed), seed: touch.seed };
  });

  app.delete<SkuRoute>('/_stock/:sku', async (request, reply) => {
    if (await stockroom.delist(request.params.sku)) return reply.code(204).send();
    return reply.code(404).send({ code: 'UNKNOWN_SKU', message: 'It is not in the listing.' });
  });

  app.get('/_faults', () => faults.describe());

  app.put('/_faults', async (request, reply) => {
    try {
      faults.replace(request.body);
    } catch (refused) {
      if (!(refused instanceof FaultsNotUnderstood)) throw refused;
      return reply.code(400).send({ code: 'BAD_FAULT', message: refused.message });
    }
    faultsReplaced();
    return faults.describe();
  });

  app.get('/_settings', () => settings.describe());

  app.put('/_settings', async (request, reply) => {
    const complaint = settings.change(request.body);
    if (complaint !== undefined) return reply.code(400).send({ code: 'BAD_SETTING', message: `${complaint}.` });
    return settings.describe();
  });
}

function readStockChange(sku: string, body: unknown): StockChange | string {
  if (!isSku(sku)) return 'The SKU must be 1 to 128 printable characters.';
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return 'The body must be an object with any of quantity, price, name.';
  }
  const { quantity, price, name, ...others } = body as Record<string, unknown>;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) return `There is no field ${JSON.stringify(unknown)}; there are quantity, price, name.`;
  if (quantity !== undefined && !isWholeNumber(quantity, 0, STOCK_QUANTITY_MAX)) {
    return `quantity must be a whole number from 0 to ${STOCK_QUANTITY_MAX}.`;
  }
  if (price !== undefined && !isPrice(price)) return 'price must be a decimal string with two places, such as "19.99".';
  if (name !== undefined && !isName(name)) return 'name must be 1 to 200 printable characters.';
  return {
    ...(quantity !== undefined && { quantity }),
    ...(price !== undefined && { price }),
    ...(name !== undefined && { name }),
  };
}

/** Products of which others than ours changed the quantity: so many of them, or such a share. */
function readTouch(body: unknown, listedItems: number): { count: number; seed: number } | string {
  const { touch, ...others } = recordOf(body);
  const { count, share, seed = randomInt(SEED_MAX + 1), ...unknown } = recordOf(touch);
  const extra = Object.keys({ ...others, ...unknown })[0];
  if (extra !== undefined) return `There is no field ${JSON.stringify(extra)} here; ${TOUCH_SHAPE}`;
  if (!isWholeNumber(seed, 0, SEED_MAX)) return `touch.seed must be a whole number from 0 to ${SEED_MAX}.`;
  if ((count === undefined) === (share === undefined)) return TOUCH_SHAPE;
  if (share === undefined) {
    if (isWholeNumber(count, 0, STOCK_QUANTITY_MAX)) return { count, seed };
    return `touch.count must be a whole number from 0 to ${STOCK_QUANTITY_MAX}.`;
  }
  if (typeof share === 'number' && share >= 0 && share <= 1) return { count: Math.round(share * listedItems), seed };
  return 'touch.share must be a number from 0 to 1.';
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function badRequest(message: string): { code: string; message: string } {
  return { code: 'BAD_REQUEST', message };
}
