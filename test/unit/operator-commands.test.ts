import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Api } from '../../src/operations/command-line/api';
import { EXIT_CODES } from '../../src/operations/command-line/exit-codes';
import { runOps } from '../../src/operations/command-line/program';
import { Screen } from '../../src/operations/command-line/screen';
import type { Json } from '../support/client';

const DOCS = join(__dirname, '..', '..', 'docs');
const PROBLEM = { type: 'urn:holdfast:problem:X', title: 'No', requestId: 'r-1' };

interface Answer {
  status?: number;
  body: Json;
}

interface Said {
  code: number;
  out: string;
  err: string;
  asked: string[];
}

/** An API that gives these answers, one after the other. */
let server: Server;
let answers: Answer[];
let asked: string[];

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const key = request.headers['idempotency-key'];
      asked.push([request.method, request.url, body, key].filter(Boolean).join(' '));
      const { status = 200, body: answer } = answers.length > 1 ? answers.shift()! : answers[0]!;
      response.writeHead(status).end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterAll(() => server.close());

/** Runs a command against an API that answers like this; the last answer again and again. */
async function ops(line: string, given: Answer[], { terminal = false } = {}): Promise<Said> {
  [answers, asked] = [given, []];
  const out = new PassThrough();
  const err = Object.assign(new PassThrough(), { isTTY: terminal });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const code = await runOps(line.split(' '), { out, err }, async ({ json = false }) => {
    return { api: new Api(url, 'key'), screen: new Screen({ out, err }, json) };
  });
  return { code, out: textIn(out), err: textIn(err), asked };
}

function textIn(stream: PassThrough): string {
  return ((stream.read() as Buffer | null) ?? '').toString();
}

const aRun = (change: object): Answer => ({
  body: {
    ...{
      reconciliationRunId: 'run-1',
      dryRun: false,
      status: 'succeeded',
      compared: 3,
      found: 0,
      opened: 0,
      closed: 0,
    },
    ...{ parts: [{ vendorId: 'acme', status: 'succeeded', note: null, findings: [] }] },
    ...change,
  },
});
const aSync = (change: object): Answer => ({
  body: {
    nextCursor: null,
    items: [
      {
        ...{ syncRunId: 's-1', kind: 'full', status: 'succeeded', seen: 5, changed: 1, missing: 0, rejected: 0 },
        ...{ error: null, rowsExpected: 10, rowsPerSecond: 7 },
        ...change,
      },
    ],
  },
});
const askedForSync: Answer = { status: 202, body: { syncRunId: 's-1' } };
const askedForRun: Answer = { status: 202, body: { reconciliationRunId: 'run-1' } };
const finding = { kind: 'reservedDiffers', orderId: null, productId: 'acme:A-1', case: 'opened' };

describe('an exit code', () => {
  it.each([
    ['', '/v1/vendors/acme'],
    [' --moved', '/v1/vendors/acme?moved=true'],
  ])('says only when it is told so that the same books are at another address:%s', async (flag, path) => {
    const vendor = { vendorId: 'acme', name: 'Acme', kind: 'rest', baseUrl: 'http://a', breaker: 'closed' };
    const { asked: calls } = await ops(`vendors change acme baseUrl=http://b${flag}`, [
      { body: vendor },
      { body: vendor },
    ]);
    expect(calls).toEqual(['GET /v1/vendors/acme', `PUT ${path} {"name":"Acme","kind":"rest","baseUrl":"http://b"}`]);
  });

  it.each<[string, string, Answer[], number, RegExp]>([
    ['of a count that adds up', 'consistency', [{ body: { ok: true, checkedAt: 'now', violations: [] } }], 0, /^ok: /],
    [
      'of a violation',
      'consistency --fresh',
      [
        {
          body: {
            ...{ ok: false, checkedAt: 'now', violationCount: 1 },
            violations: [{ invariant: 'reservedIsSumOfOpenHolds', productId: 'acme:A-1', expected: '3', found: '5' }],
          },
        },
      ],
      4,
      /reservedIsSumOfOpenHolds +acme:A-1 +- +3 +5/,
    ],
    [
      'of books that agree',
      'reconcile',
      [askedForRun, aRun({})],
      0,
      /^run-1 succeeded: 3 orders compared, 0 differences/,
    ],
    [
      'of books that differ',
      'reconcile --vendor acme',
      [askedForRun, aRun({ found: 1, opened: 1, parts: [{ vendorId: 'acme', note: null, findings: [finding] }] })],
      4,
      /1 difference; 1 case opened[^]*reservedDiffers +acme:A-1 +opened/,
    ],
    [
      'of books that agree but for what was dismissed',
      'reconcile',
      [askedForRun, aRun({ parts: [{ vendorId: 'acme', note: null, findings: [{ ...finding, case: 'dismissed' }] }] })],
      0,
      /0 differences besides what was dismissed; 0 cases opened, 0 closed\./,
    ],
    [
      'of a comparison that was not finished',
      'reconcile',
      [
        askedForRun,
        aRun({
          status: 'incomplete',
          parts: [{ vendorId: 'acme', status: 'incomplete', note: 'paused', findings: [] }],
        }),
      ],
      1,
      /acme incomplete: paused/,
    ],
    ['of a sync', 'sync acme', [askedForSync, aSync({})], 0, /^s-1 \(full\) succeeded: 5 rows seen/],
    [
      'of a held sync',
      'sync start acme',
      [askedForSync, aSync({ status: 'held', error: 'EMPTY' })],
      4,
      /held: [^]*EMPTY/,
    ],
    ['of a failed sync', 'sync acme', [askedForSync, aSync({ status: 'failed', error: 'no answer' })], 1, /no answer/],
    ['of a sync that nobody knows', 'sync follow acme s-2', [aSync({})], 1, /^$/],
    [
      'of letters that stay open',
      'replay --all',
      [{ body: { matched: 3, replayed: 2 } }, { body: { matched: 1, replayed: 0 } }],
      4,
      /^3 open letters, 2 replayed\. 1 stay open/,
    ],
    [
      'of letters about orders, which are not dismissed',
      'dead-letters dismiss --all',
      [{ body: { matched: 5, dismissed: 3 } }, { body: { matched: 2, dismissed: 0 } }],
      0,
      /^5 open letters, 3 dismissed\. 2 stay open: they are about orders/,
    ],
    [
      'of letters that would be dismissed',
      'dead-letters dismiss --vendor acme --dry-run',
      [{ body: { matched: 5, dismissed: 3, dryRun: true } }],
      0,
      /^5 open letters, 3 would be dismissed\. 2 would stay open/,
    ],
    [
      'of letters that would be replayed',
      'replay --all --dry-run',
      [{ body: { matched: 7000, replayed: 5000, dryRun: true } }],
      0,
      /^7000 open letters; 5000 of the oldest would be replayed/,
    ],
    [
      'of a letter that would be replayed',
      'replay --all --dry-run',
      [{ body: { matched: 1, replayed: 1, dryRun: true } }],
      0,
      /^1 open letter; all would be replayed/,
    ],
    ['of a letter', 'dead-letters dismiss d-1', [{ body: { matched: 1, dismissed: 1 } }], 0, /^It is dismissed/],
    [
      'of a letter that was decided',
      'dead-letters dismiss d-1',
      [{ body: { matched: 0, dismissed: 0 } }],
      0,
      /before; nothing was changed/,
    ],
  ])('%s', async (_, line, given, code, words) => {
    const said = await ops(line, given);
    expect([said.code, said.out]).toEqual([code, expect.stringMatching(words)]);
  });

  it.each<[string, Answer, number, RegExp]>([
    [
      'a refusal',
      { status: 409, body: { ...PROBLEM, code: 'X', detail: 'Not now.' } },
      1,
      /^No \(X, request r-1\)\nNot now\.\n$/,
    ],
    ['a key that is not taken', { status: 401, body: { ...PROBLEM, code: 'X', detail: 'No.' } }, 3, /No\./],
    ['a key that may not', { status: 403, body: { ...PROBLEM, code: 'X', detail: 'No.' } }, 3, /No\./],
    ['a fault of ours', { status: 500, body: { ...PROBLEM, code: 'INTERNAL', detail: 'Tell us.' } }, 3, /Tell us\./],
    ['a database that is away', { status: 503, body: { ...PROBLEM, code: 'X', detail: 'Later.' } }, 3, /now: Later\./],
    ['somebody else', { body: '<html>Hello' }, 3, /is not Holdfast's API: it answered 200 <html>Hello/],
    ['a proxy', { status: 502, body: 'Bad Gateway' }, 3, /cannot answer now: 502 Bad Gateway/],
  ])('tells of %s', async (_, answer, code, words) => {
    const said = await ops('queues', [answer]);
    expect([said.code, said.out, said.err]).toEqual([code, '', expect.stringMatching(words)]);
  });

  it('is explained by --help', async () => {
    const said = await ops('--help', [{ body: '' }]);
    expect([said.code, said.err, said.out.includes(EXIT_CODES)]).toEqual([0, '', true]);
  });
});

describe('what went wrong', () => {
  const invalid = { ...PROBLEM, code: 'VALIDATION_FAILED', detail: 'status: a; limit: b' };
  const errors = [
    { field: 'status', message: 'must be open' },
    { field: 'vendorId', message: 'must be a vendor id' },
  ];

  it('is told field by field', async () => {
    const { err } = await ops('dead-letters --status x', [{ status: 400, body: { ...invalid, errors } }]);
    expect(err).toBe('No (VALIDATION_FAILED, request r-1)\n  status: must be open\n  vendorId: must be a vendor id\n');
  });

  it('is told to a script as the API told it', async () => {
    const { code, err } = await ops('dead-letters --json', [{ status: 400, body: { ...invalid, errors } }]);
    expect([code, JSON.parse(err)]).toEqual([1, { ...invalid, errors }]);
  });
});

describe('what a vendor wrote', () => {
  it('moves no cursor and colours nothing', async () => {
    const order = {
      orderId: 'o-1',
      productId: 'p',
      quantity: 1,
      status: 'pending',
      failureReason: null,
      createdAt: 'now',
    };
    const listed = { items: [{ ...order, attentionReason: '\u001b[2J\u0007gone' }], nextCursor: null };
    const { out } = await ops('orders', [{ body: listed }]);
    expect(out).toContain('�[2J�gone');
    expect((await ops('orders show o-1', [{ body: { a: '\u001b[2J' } }])).out).toBe('a  �[2J\n');
  });
});

describe('a list', () => {
  it('is fetched page after page, to its end or the limit, and says that there are more', async () => {
    const page = (from: number, length: number, nextCursor: string | null): Answer => ({
      body: { items: Array.from({ length }, (_, n) => ({ deadLetterId: `d-${from + n}` })), nextCursor },
    });
    const whole = await ops('dead-letters --limit 500 --json', [
      page(0, 200, 'a'),
      page(200, 200, 'b'),
      page(400, 7, null),
    ]);
    expect(whole.asked).toEqual([
      'GET /v1/dead-letters?limit=200',
      'GET /v1/dead-letters?limit=200&cursor=a',
      'GET /v1/dead-letters?limit=100&cursor=b',
    ]);
    expect(JSON.parse(whole.out)).toMatchObject({ items: { length: 407 }, nextCursor: null });
    const cut = await ops('dead-letters --limit 3 --vendor acme', [page(0, 3, 'a')]);
    expect([cut.asked, cut.err]).toEqual([
      ['GET /v1/dead-letters?vendorId=acme&limit=3'],
      'There are more: raise --limit.\n',
    ]);
  });
});

describe('long work', () => {
  const running = aSync({ status: 'running', seen: 4 });
  const away: Answer = { status: 503, body: { ...PROBLEM, code: 'X', detail: 'Away.' } };

  it('is followed through a restart of the API', async () => {
    const { code, asked: calls } = await ops('sync acme', [askedForSync, running, away, aSync({})]);
    expect([code, calls.length]).toEqual([0, 4]);
  });

  it('shows how far it is on a terminal, and nothing anywhere else', async () => {
    const shown = await ops('sync acme', [askedForSync, running, aSync({})], { terminal: true });
    expect(shown.err).toContain(`[${'#'.repeat(12)}${'-'.repeat(18)}] 40 % 4 rows, 7/s`);
    expect((await ops('sync acme', [askedForSync, running, aSync({})])).err).toBe('');
  });

  it('is not waited for where nobody wants to', async () => {
    const { code, out, asked: calls } = await ops('sync acme --no-wait', [askedForSync]);
    expect([code, calls]).toEqual([0, ['POST /v1/vendors/acme/sync']]);
    expect(out).toMatch(/^Asked for s-1/);
  });

  it('goes on with letters that one request leaves, while fewer are left each time', async () => {
    const counts = [12_000, 7_000, 2_000, 3, 3].map((matched) => ({ body: { matched, replayed: 1 } }));
    const { code, out, asked: calls } = await ops('replay --vendor acme --json', counts);
    expect([code, calls.length]).toEqual([4, 5]);
    expect(JSON.parse(out)).toEqual({ matched: 12_000, replayed: 5, left: 3, dryRun: false });
  });
});

describe('an order that an operator places', () => {
  it('is placed once, however often it is asked for', async () => {
    const placed = { status: 201, body: { orderId: 'o-2', productId: 'acme:A-1', quantity: 3 } };
    const said = await ops('orders place acme:A-1 3 --idempotency-key again-o-1', [placed]);
    expect(said).toMatchObject({ code: 0, out: 'o-2 is placed: 3 of acme:A-1.\n' });
    expect(said.asked).toEqual(['POST /v1/orders {"productId":"acme:A-1","quantity":3} again-o-1']);
  });
});

describe('forgotten orders', () => {
  const unknown: Answer = { status: 404, body: { ...PROBLEM, code: 'ORDER_NOT_FOUND', detail: 'No.' } };
  const known: Answer = { body: { orderId: 'o' } };
  let folder: string;
  let file: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-references-'));
    file = join(folder, 'references.txt');
    writeFileSync(file, 'o-1\n\n o-2\r\no-3');
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it('are those of the vendor’s references that nobody knows here', async () => {
    const said = await ops(`orders forgotten --from ${file}`, [unknown, known, unknown]);
    expect(said.asked).toEqual(['GET /v1/orders/o-1', 'GET /v1/orders/o-2', 'GET /v1/orders/o-3']);
    expect(said).toMatchObject({ code: 4, out: 'o-1\no-3\n', err: '3 references, 2 unknown here.\n' });
    const told = await ops(`orders forgotten --from ${file} --json`, [unknown, known, unknown]);
    expect(JSON.parse(told.out)).toEqual({ references: 3, forgotten: ['o-1', 'o-3'] });
  });

  it('are none where all are known', async () => {
    const said = await ops(`orders forgotten --from ${file}`, [known]);
    expect(said).toMatchObject({ code: 0, out: 'None is unknown here.\n' });
  });

  it('are not guessed at where nobody can say', async () => {
    const away: Answer = { status: 503, body: { ...PROBLEM, code: 'X', detail: 'Away.' } };
    expect(await ops(`orders forgotten --from ${file}`, [unknown, away])).toMatchObject({ code: 3, out: '' });
    const refused: Answer = { status: 404, body: { ...PROBLEM, code: 'NOT_FOUND', detail: 'No such route.' } };
    expect(await ops(`orders forgotten --from ${file}`, [unknown, refused])).toMatchObject({ code: 1, out: '' });
  });
});

describe('a wrong call', () => {
  it.each([
    ['no command', ''],
    ['an unknown command', 'vendor'],
    ['an unknown option', 'queues --loud'],
    ['an argument too many', 'queues now'],
    ['a missing argument', 'orders show'],
    ['a missing note', 'sync accept acme s-1'],
    ['a limit that is none', 'orders --limit many'],
    ['a replay of nothing in particular', 'replay'],
    ['a replay of one letter and of all', 'replay d-1 --all'],
    ['a dismissal of nothing in particular', 'dead-letters dismiss'],
    ['a file that is not there', 'vendors put acme --from /nowhere.json'],
    ['references in a file that is not there', 'orders forgotten --from /nowhere.txt'],
    ['an order that could be placed twice', 'orders place acme:A-1 1'],
    ['an order for no number', 'orders place acme:A-1 1.5 --idempotency-key k'],
    ['a change of nothing', 'vendors change acme'],
    ['a change to nothing', 'vendors change acme enabled'],
    ['a change of what has no name', 'vendors change acme enabled=false =8'],
  ])('(%s) asks nothing, and exits 2 saying why', async (_, line) => {
    const said = await ops(line, [{ body: {} }]);
    expect([said.code, said.out, said.asked]).toEqual([2, '', []]);
    expect(said.err).toMatch(/./);
  });
});

describe('a command that a document names', () => {
  const named = readdirSync(DOCS)
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => [...readFileSync(join(DOCS, file), 'utf8').matchAll(/npm run ops -- ([^`\n#|]+)/g)])
    .map(([, line]) =>
      line!
        .trim()
        .replace('<quantity>', '1')
        .replace(/<[^>]*>|…/g, 'x'),
    )
    .filter((line) => line !== 'x');

  it.each([...new Set(named)])('exists: %s', async (line) => {
    const answerable = line.replace(/(?<=--from )\S+/, __filename);
    const { code, err } = await ops(answerable, [{ status: 404, body: { ...PROBLEM, code: 'X', detail: 'reached' } }]);
    expect([code, err]).toEqual([1, expect.stringContaining('reached')]);
  });

  it('is one of many', () => {
    expect(named.length).toBeGreaterThan(10);
  });
});
