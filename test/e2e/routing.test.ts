import { once } from 'node:events';
import { connect } from 'node:net';
import { ApiClient } from '../support/client';
import { expectProblem, startTarget, type Target } from '../support/refusals';

const ID = '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d';

/** Every path there is, and what it takes. */
const paths: [path: string, methods: string[]][] = [
  ['/v1/orders', ['GET', 'POST']],
  [`/v1/orders/${ID}`, ['GET']],
  [`/v1/orders/${ID}/events`, ['GET']],
  [`/v1/orders/${ID}/cancel`, ['POST']],
  ['/v1/checkouts', ['POST']],
  [`/v1/checkouts/${ID}`, ['GET']],
  ['/v1/products', ['GET']],
  ['/v1/products/acme:A-1', ['GET']],
  [`/v1/products/acme:${'x'.repeat(128)}`, ['GET']],
  ['/v1/vendors', ['GET']],
  ['/v1/vendors/acme', ['GET', 'PUT']],
  ['/v1/vendors/acme/pause', ['POST']],
  ['/v1/vendors/acme/resume', ['POST']],
  ['/v1/vendors/acme/sync', ['POST']],
  ['/v1/vendors/acme/syncs', ['GET']],
  [`/v1/vendors/acme/syncs/${ID}/accept`, ['POST']],
  [`/v1/vendors/acme/syncs/${ID}/reject`, ['POST']],
  ['/v1/api-keys', ['GET', 'POST']],
  [`/v1/api-keys/${ID}`, ['DELETE']],
  ['/v1/queues', ['GET']],
  ['/v1/dead-letters', ['GET']],
  [`/v1/dead-letters/${ID}`, ['GET']],
  // The other one is of a dead letter with this id, which no dead letter has.
  ['/v1/dead-letters/replay', ['GET', 'POST']],
  [`/v1/dead-letters/${ID}/replay`, ['POST']],
  ['/v1/dead-letters/dismiss', ['GET', 'POST']],
  [`/v1/dead-letters/${ID}/dismiss`, ['POST']],
  ['/v1/reconciliation/runs', ['GET', 'POST']],
  [`/v1/reconciliation/runs/${ID}`, ['GET']],
  ['/v1/reconciliation/cases', ['GET']],
  [`/v1/reconciliation/cases/${ID}`, ['GET']],
  [`/v1/reconciliation/cases/${ID}/resolve`, ['POST']],
  ['/v1/consistency', ['GET']],
  ['/health/live', ['GET']],
  ['/health/ready', ['GET']],
  ['/metrics', ['GET']],
  ['/docs', ['GET']],
  ['/docs-json', ['GET']],
];

let target: Target;
let client: ApiClient;

beforeAll(async () => {
  target = await startTarget();
  client = target.client;
});

afterAll(() => target?.stop());

describe.each(paths)('%s', (path, methods) => {
  const allowed = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));

  it.each(
    ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'].filter(
      (method) => !allowed.includes(method),
    ),
  )('does not take %s, and says what it takes', async (method) => {
    // Neither the key nor the body is what is wrong.
    const answer = await new ApiClient(client.url, undefined).call(
      method,
      path,
      method.startsWith('P') ? '{' : undefined,
    );
    if (method === 'HEAD') expect([answer.status, answer.body]).toEqual([405, undefined]);
    else expectProblem(answer, '405 METHOD_NOT_ALLOWED');
    expect(answer.headers.get('allow')?.split(', ').toSorted()).toEqual(allowed.toSorted());
  });

  if (methods.includes('GET')) {
    it('answers HEAD as GET, without a body', async () => {
      const [get, head] = await Promise.all([fetchWithKey('GET'), fetchWithKey('HEAD')]);
      expect(await head.text()).toBe('');
      expect(head.status).toBe(get.status);
      expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
      expect(head.headers.get('x-request-id')).toMatch(/./);
    });
  }

  async function fetchWithKey(method: string): Promise<Response> {
    const { body } = await client.post('/v1/api-keys', {
      name: 'head',
      scopes: ['orders:read', 'catalog:read', 'ops'],
    });
    return fetch(`${client.url}${path}`, { method, headers: { authorization: `Bearer ${body.key}` } });
  }
});

describe('a path that does not exist', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['GET', '/v2/orders'],
    ['GET', '/V1/orders'],
    ['GET', '/v1/Orders'],
    ['GET', '/v1/orders/'],
    ['POST', '/v1/orders/'],
    ['GET', `/v1/orders/${ID}/`],
    ['GET', '/v1//orders'],
    ['GET', '//v1/orders'],
    ['GET', '/v1/orders;x=1'],
    ['GET', '/v1/orders%3Flimit=1'],
    ['GET', `/v1/orders/${ID}/events/1`],
    ['GET', '/health'],
    ['OPTIONS', '/v1/nothing'],
    // These come with later releases, and are absent until then.
    ['POST', `/v1/checkouts/${ID}/cancel`],
    ['POST', '/v1/vendors/acme/stop'],
    ['GET', `/v1/vendors/acme/syncs/${ID}`],
    ['GET', '/v1/reconciliation'],
    ['POST', '/v1/reconciliation'],
  ])('%s %s is told so, whatever it brings', async (method, path) => {
    expectProblem(await client.call(method, path), '404 ROUTE_NOT_FOUND');
    expectProblem(await new ApiClient(client.url, undefined).call(method, path), '404 ROUTE_NOT_FOUND');
    if (method === 'POST') expectProblem(await client.post(path, '{'), '404 ROUTE_NOT_FOUND');
  });
});

describe('what cannot be read as a request', () => {
  /** Sends bytes on a connection, each part once the one before is answered, and reads it to its end. */
  async function exchange(...parts: string[]): Promise<string> {
    const { hostname, port } = new URL(client.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    const closed = once(socket, 'close');
    for (const part of parts) {
      socket.write(part);
      await Promise.race([once(socket, 'data'), closed]);
    }
    await closed;
    return answer;
  }

  const live = 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n';
  const problemIn = (answer: string) => {
    const [head, body] = answer.slice(answer.lastIndexOf('HTTP/1.1 ')).split('\r\n\r\n') as [string, string];
    const problem = JSON.parse(body) as { status: number; code: string; requestId: string };
    expect(head).toContain(`content-type: application/problem+json`);
    expect(head).toContain(`x-request-id: ${problem.requestId}`);
    return `${problem.status} ${problem.code}`;
  };

  it.each([
    [
      'headers of 300,000 characters',
      `GET /v1/orders HTTP/1.1\r\nx: ${'x'.repeat(300_000)}\r\n\r\n`,
      '431 HEADERS_TOO_LARGE',
    ],
    ['no HTTP', 'hello\r\n\r\n', '400 MALFORMED_REQUEST'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nrubbish\r\n\r\n', '400 MALFORMED_REQUEST'],
  ])('%s is answered with a problem, first or later on a connection', async (_, bytes, expected) => {
    expect(problemIn(await exchange(bytes))).toBe(expected);
    const later = await exchange(live, bytes);
    expect(later).toMatch(/^HTTP\/1.1 200 /);
    expect(problemIn(later)).toBe(expected);
  });
});

it.each(['/v1/orders?cursor=', '/v1/products?q=', '/health/live?', '/nothing?', '/'])(
  'an address that is too long is told so, with a key and without: %s',
  async (path) => {
    for (const asking of [client, new ApiClient(client.url, undefined)]) {
      for (const length of [16_385, 70_000, 200_000]) {
        expectProblem(await asking.get(`${path}${'x'.repeat(length)}`), '414 URI_TOO_LONG');
      }
    }
  },
);

describe('X-Request-Id', () => {
  const ours = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/;
  const get = (path: string, id?: string) =>
    client.call('GET', path, undefined, id === undefined ? {} : { 'x-request-id': id });

  it.each(['1', 'a b c', '{"a":1}', '<script>', '%00', 'x'.repeat(128)])('%j is taken over', async (id) => {
    expect((await get('/v1/orders', id)).headers.get('x-request-id')).toBe(id);
    expect((await get('/health/live', id)).headers.get('x-request-id')).toBe(id);
    for (const path of ['/v1/orders?limit=0', '/nothing', '/v1/orders/%zz', `/v1/orders/${'x'.repeat(601)}`]) {
      const refused = await get(path, id);
      expect([refused.headers.get('x-request-id'), refused.body.requestId]).toEqual([id, id]);
    }
  });

  it.each([undefined, '', 'x'.repeat(129), 'clé', 'a\tb', '\u00a0'])('%j is replaced by one of ours', async (id) => {
    expect((await get('/v1/orders', id)).headers.get('x-request-id')).toMatch(ours);
    const refused = await get('/nothing', id);
    expect(refused.headers.get('x-request-id')).toMatch(ours);
    expect(refused.headers.get('x-request-id')).toBe(refused.body.requestId);
  });

  it('of ours is another one each time', async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await get('/v1/orders')).headers.get('x-request-id')),
    );
    expect(new Set(ids).size).toBe(20);
  });
});

it('none of that was logged as an error', () => {
  expect(target.errorsLogged()).toEqual([]);
});
