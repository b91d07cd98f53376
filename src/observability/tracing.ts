import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { context, propagation, trace } from '@opentelemetry/api';
import type { ExportResult } from '@opentelemetry/core';
import type { ReadableSpan, Sampler, SpanExporter } from '@opentelemetry/sdk-trace';
import type { Config } from '../config/config';
import { settledWithin } from '../lifecycle/settled-within';

/** Spans that wait to be sent, some 4 MB; more are dropped: an order never waits for its trace. */
const QUEUE_SPANS_MAX = 4096;
/** Some 300 KB of JSON. */
const BATCH_SPANS_MAX = 512;
const SEND_EVERY_MS = 1000;
/** A batch that the collector has not taken by then, tried again meanwhile, is dropped. */
const SEND_MS_MAX = 5000;

export interface Tracing {
  /** Sends what waits, for at most so long; from then on nothing is traced. */
  stop(deadlineMs: number): Promise<void>;
}

export interface TracedProcess {
  mode: 'api' | 'worker' | 'all';
  version: string;
}

const OFF: Tracing = { stop: () => Promise.resolve() };

/**
 * Has the spans of this process sent to the OTLP collector that is configured; without one nothing of the SDK is even loaded.
 * The only file that knows the SDK.
 */
export async function startTracing(config: Config, { mode, version }: TracedProcess): Promise<Tracing> {
  const { otlpEndpoint, otlpHeaders, serviceName } = config;
  if (otlpEndpoint === undefined) return OFF;
  const { W3CTraceContextPropagator } = await import('@opentelemetry/core');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const { TracerProvider, BatchSpanProcessor } = await import('@opentelemetry/sdk-trace');
  const exporter = new OTLPTraceExporter({
    url: `${otlpEndpoint.replace(/\/+$/, '')}/v1/traces`,
    headers: otlpHeaders,
    timeoutMillis: SEND_MS_MAX,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': serviceName,
      'service.version': version,
      'service.instance.id': randomUUID(),
      'holdfast.mode': mode,
    }),
    sampler: await samplerOf(config),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new ToldExporter(exporter),
        maxQueueSize: QUEUE_SPANS_MAX,
        maxExportBatchSize: BATCH_SPANS_MAX,
        scheduledDelayMillis: SEND_EVERY_MS,
        exportTimeoutMillis: SEND_MS_MAX,
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  // Where no vendor is called nothing needs it, and it makes every promise dearer once it has been used, if only to send.
  if (mode !== 'api') await followPromises();
  return {
    async stop(deadlineMs) {
      await settledWithin(deadlineMs, provider.shutdown());
      for (const part of [trace, propagation, context]) part.disable();
    },
  };
}

async function followPromises(): Promise<void> {
  const { AsyncLocalStorageContextManager } = await import('@opentelemetry/context-async-hooks');
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
}

/** By the names and meanings of OpenTelemetry's own environment variables. */
async function samplerOf({ tracesSampler, tracesSamplerShare }: Config): Promise<Sampler> {
  const { AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler, TraceIdRatioBasedSampler } =
    await import('@opentelemetry/sdk-trace');
  const roots: Record<string, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(tracesSamplerShare),
  };
  const root = roots[tracesSampler.replace('parentbased_', '')]!();
  return tracesSampler.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}

/** Says once that spans are lost, and once that they arrive again. */
class ToldExporter implements SpanExporter {
  private readonly logger = new Logger('Tracing');
  private failing = false;

  constructor(private readonly exporter: SpanExporter) {}

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.exporter.export(spans, (result) => {
      this.tell(result.error);
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }

  private tell(error: (Error & { code?: unknown }) | undefined): void {
    if (error && !this.failing) this.logger.warn(`Traces cannot be sent and are dropped: ${describe(error)}`);
    if (!error && this.failing) this.logger.log('Traces are sent again');
    this.failing = error !== undefined;
  }
}

function describe({ name, code, message }: Error & { code?: unknown }): string {
  return [name, code, message].filter((part) => part !== undefined && part !== '').join(' ');
}
