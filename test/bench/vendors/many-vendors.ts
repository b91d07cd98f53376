/**
 * Any number of vendors of the kind `rest` behind one port, each with one product that never changes, at the price of one
 * small HTTP server: `/<vendorId>/stock` and `/<vendorId>/orders`. Prints its URL, and ends with whoever started it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const ETAG = '"1"';
const accepted = new Map<string, string>();

function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, , what = '', reference = ''] = new URL(request.url!, 'http://vendor').pathname.split('/');
  request.resume().on('end', () => {
    if (what === 'stock') return stock(request, response);
    if (request.method === 'POST') return json(response, 201, order(String(request.headers['idempotency-key'])));
    if (accepted.has(reference)) return json(response, 200, { status: 'accepted', ...order(reference) });
    return json(response, 404, { code: 'NOT_FOUND', message: 'There is no such order.' });
  });
}

function stock(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers['if-none-match'] === ETAG) return void response.writeHead(304).end();
  const isDelta = request.url!.includes('updatedSince');
  const items = isDelta ? [] : [{ sku: 'A', name: 'Article', quantity: 1_000_000, price: '19.99' }];
  response.setHeader('etag', ETAG);
  json(response, 200, { asOf: new Date().toISOString(), nextCursor: null, items });
}

/** The same answer for the same reference. */
function order(reference: string) {
  const acceptedAt = accepted.get(reference) ?? new Date().toISOString();
  accepted.set(reference, acceptedAt);
  return { vendorOrderId: `V-${reference}`, acceptedAt };
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const server = createServer(answer).listen(0, '127.0.0.1', () => {
  process.send!(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.on('disconnect', () => process.exit(0));
