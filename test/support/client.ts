/** A small HTTP client of the API, as a user's program would have one. */
export class ApiClient {
  constructor(
    readonly url: string,
    private readonly apiKey: string | undefined,
  ) {}

  get<Body = Json>(path: string): Promise<Answer<Body>> {
    return this.call('GET', path);
  }

  post<Body = Json>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer<Body>> {
    return this.call('POST', path, body, headers);
  }

  put<Body = Json>(path: string, body: unknown): Promise<Answer<Body>> {
    return this.call('PUT', path, body);
  }

  async call<Body = Json>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<Body>> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(this.apiKey !== undefined && { authorization: `Bearer ${this.apiKey}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? undefined : isJson(response) ? JSON.parse(text) : text) as Body,
    };
  }
}

function isJson({ headers }: Response): boolean {
  return !headers.get('content-type')?.startsWith('text/plain');
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Json = any;

export interface Answer<Body> {
  status: number;
  headers: Headers;
  body: Body;
}
