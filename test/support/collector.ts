import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export interface CollectedSpan {
  traceId: string;
  spanId: string;
  /** Empty where it is a root. */
  parentSpanId: string;
  name: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  attributes: Record<string, unknown>;
  /** Names of its events. */
  events: string[];
  failed: boolean;
  /** Of the process it comes from. */
  resource: Record<string, unknown>;
  startedAt: bigint;
}

/** An OpenTelemetry collector that keeps what it is sent, by OTLP over HTTP as JSON, unless told to fail. */
export class Collector {
  readonly spans: CollectedSpan[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  /** The status it answers; `away`: it hangs up; `hang`: it takes everything and never answers. */
  answers: number | 'away' | 'hang' = 200;

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async listen(): Promise<Collector> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const collector = new Collector(server, `http://127.0.0.1:${(server.address() as { port: number }).port}`);
    server.on('request', (request, response) => void collector.take(request, response));
    return collector;
  }

  of(traceId: string): CollectedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.headers.push(request.headers);
    if (this.answers === 'hang') return;
    if (this.answers === 'away') return void request.socket.destroy();
    if (this.answers === 200 && request.method === 'POST' && request.url === '/v1/traces') {
      this.spans.push(...spansIn(JSON.parse(Buffer.concat(chunks).toString()) as Export));
    }
    response.writeHead(this.answers, { 'content-type': 'application/json' }).end('{}');
  }
}

/** As far as we look into it. Source: opentelemetry-proto, trace/v1. */
interface Export {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: ExportedSpan[] }[] }[];
}

interface ExportedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  attributes?: Attribute[];
  events?: { name: string }[];
  status?: { code?: number };
}

interface Attribute {
  key: string;
  value: Record<string, unknown>;
}

const STATUS_ERROR = 2;

function spansIn({ resourceSpans }: Export): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        name: span.name,
        kind: span.kind,
        attributes: valuesOf(span.attributes),
        events: (span.events ?? []).map(({ name }) => name),
        failed: span.status?.code === STATUS_ERROR,
        resource: valuesOf(resource.attributes),
        startedAt: BigInt(span.startTimeUnixNano),
      })),
    ),
  );
}

function valuesOf(attributes: Attribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/** Spans as a tree, each indented below its parent, in the order in which they began. */
export function treeOf(spans: CollectedSpan[]): string[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const below = (parent: string | undefined, indent: string): string[] =>
    spans
      .filter(({ parentSpanId }) => (parent === undefined ? !ids.has(parentSpanId) : parentSpanId === parent))
      .toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
      .flatMap(({ spanId, name }) => [`${indent}${name}`, ...below(spanId, `${indent}  `)]);
  return below(undefined, '');
}
