import { request } from 'undici';
import type { Problem } from '../../http/problem-types';

/** Accepting a held listing of a million rows answers when it is applied. */
const ANSWER_MS_MAX = 600_000;
/** Of an answer that is no problem+json, what is shown. */
const SHOWN_MAX = 200;
/** Somebody else's turn, or nobody's: the same call may be answered later. */
const NOT_NOW = [429, 502, 503, 504];

export type Query = Record<string, string | number | boolean | undefined>;

export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** The API answered that it will not. */
export class ApiRefused extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail);
  }

  /** Whether that says nothing of what was asked for: the key was not taken or may not do this, or the API failed. */
  get saysNothing(): boolean {
    return this.status === 401 || this.status === 403 || this.status >= 500;
  }
}

/** The API did not answer, or cannot at the moment. */
export class ApiUnreachable extends Error {}

/** Holdfast's HTTP API, as an operator's program calls it. Every call throws `ApiRefused` and `ApiUnreachable`. */
export class Api {
  /** As it is shown: user and password in it are for the server alone. */
  private readonly address: string;

  constructor(
    private readonly url: string,
    private readonly apiKey: string,
  ) {
    const { protocol, host, pathname } = new URL(url);
    this.address = `${protocol}//${host}${pathname}`.replace(/\/$/, '');
  }

  get<Body>(path: string, query: Query = {}): Promise<Body> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
    return this.call('GET', search.size === 0 ? path : `${path}?${search.toString()}`);
  }

  /** With an idempotency key it is done once, however often it is asked for. */
  post<Body>(path: string, body?: object, idempotencyKey?: string): Promise<Body> {
    return this.call('POST', path, body, idempotencyKey);
  }

  put<Body>(path: string, body: object): Promise<Body> {
    return this.call('PUT', path, body);
  }

  private async call<Body>(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: object,
    idempotencyKey?: string,
  ): Promise<Body> {
    const { status, text } = await this.answerTo(method, path, body, idempotencyKey);
    const answer = parse(text);
    if (status < 300 && answer !== undefined) return answer as Body;
    if (NOT_NOW.includes(status))
      throw new ApiUnreachable(`${this.address} cannot answer now: ${inWords(answer, status, text)}`);
    if (isProblem(answer)) throw new ApiRefused(status, answer);
    throw new ApiUnreachable(`${this.address} is not Holdfast's API: it answered ${inWords(answer, status, text)}`);
  }

  private async answerTo(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body: object | undefined,
    idempotencyKey: string | undefined,
  ) {
    try {
      const answer = await request(`${this.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.apiKey}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        headersTimeout: ANSWER_MS_MAX,
        bodyTimeout: ANSWER_MS_MAX,
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      throw new ApiUnreachable(`${this.address} cannot be reached (${code ?? message}).`, { cause });
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isProblem(answer: unknown): answer is Problem {
  const { code, detail } = (answer ?? {}) as Partial<Problem>;
  return typeof code === 'string' && typeof detail === 'string';
}

function inWords(answer: unknown, status: number, text: string): string {
  return isProblem(answer) ? answer.detail : `${status} ${text.slice(0, SHOWN_MAX).trim()}`.trim();
}
