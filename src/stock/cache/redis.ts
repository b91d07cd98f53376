import Keyv from 'keyv';
import type { ProductRead } from '../product-queries';

const RECONNECT_MS_MAX = 2000;
/** A silent connection is noticed by a ping, and opened anew. */
const PING_EVERY_MS = 1000;
const SILENCE_MS_MAX = 3000;
/** Of the form in which products are kept there. */
const FORM = 1;

export interface Redis {
  /** By their id. */
  products: Keyv<ProductRead>;
  connect(): Promise<unknown>;
  /** By force: to take leave of a Redis that is silent would take for ever. */
  disconnect(): Promise<void>;
}

/** Does not connect yet. The client is a seventh of all that a process loads, and most have no Redis: only then. */
export async function openRedis(url: string, prefix: string): Promise<Redis> {
  const { default: Client } = await import('@keyv/redis');
  const store = new Client<ProductRead>(
    {
      url,
      disableOfflineQueue: true,
      pingInterval: PING_EVERY_MS,
      socket: {
        socketTimeout: SILENCE_MS_MAX,
        reconnectStrategy: (tries: number) => Math.min(50 * 2 ** tries, RECONNECT_MS_MAX),
      },
    },
    { throwOnErrors: true, throwOnConnectError: true },
  );
  const products = new Keyv<ProductRead>({
    store,
    namespace: `${prefix}:product:${FORM}`,
    useKeyPrefix: false,
    serialize: JSON.stringify,
    deserialize: JSON.parse,
    throwOnErrors: true,
  });
  return { products, connect: () => store.getClient(), disconnect: () => store.disconnect(true) };
}
