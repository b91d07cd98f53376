import { Injectable, Logger } from '@nestjs/common';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Gauge, Registry } from 'prom-client';
import { inTime } from '../../database/in-time';

/** Whoever is asked for a scrape and has not answered by then is left out: Prometheus gets the rest in under a second. */
const ANSWER_MS_MAX = 500;

/** What writing may keep requests waiting for. */
const AT_A_STRETCH_MS = 3;

/** A gauge whose value is looked up when it is scraped. */
export interface ReadGauge {
  name: string;
  help: string;
  labelNames?: readonly string[];
}

export interface Sample {
  /** Of the gauge. */
  name: string;
  labels?: Record<string, string>;
  value: number;
}

interface Reading {
  gauges: ReadonlyMap<string, Gauge>;
  read: () => Sample[] | Promise<Sample[]>;
}

/** Label value for what is not ours to name, so that no client can make up series: no route or vendor is called so. */
export const UNKNOWN = '_unknown';

/**
 * What a scrape gets: what this process has counted (each room declares its own in the registry), and gauges that are
 * read at that moment. One that cannot be read is absent: an old value would say that all is as it was.
 */
@Injectable()
export class Exposition {
  private readonly logger = new Logger(Exposition.name);
  private readonly readings: Reading[] = [];
  private underWay: Promise<string> | undefined;

  constructor(private readonly registry: Registry) {}

  /** Gauges that this process can tell without asking anybody. */
  tell(gauges: readonly ReadGauge[], read: () => Sample[]): void {
    // Before those who ask the database: they wait for its connections, and would be counted among who waits.
    this.readings.unshift(this.reading(gauges, read));
  }

  /** Gauges that somebody has to be asked for. */
  ask(gauges: readonly ReadGauge[], read: () => Promise<Sample[]>): void {
    this.readings.push(this.reading(gauges, read));
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** In Prometheus' text format. Whoever asks at the same time gets the same. */
  text(): Promise<string> {
    return (this.underWay ??= this.compose().finally(() => (this.underWay = undefined)));
  }

  private async compose(): Promise<string> {
    await Promise.all(this.readings.map((reading) => this.refresh(reading)));
    return this.render();
  }

  /** A metric at a time, and requests in between: a hundred vendors' series take some 10 ms to write. */
  private async render(): Promise<string> {
    const texts: string[] = [];
    let since = performance.now();
    for (const { name } of this.registry.getMetricsAsArray()) {
      texts.push(await this.registry.getSingleMetricAsString(name));
      if (performance.now() - since < AT_A_STRETCH_MS) continue;
      await nextTurn();
      since = performance.now();
    }
    return `${texts.join('\n\n')}\n`;
  }

  private async refresh({ gauges, read }: Reading): Promise<void> {
    const samples = await this.inTimeOrNone(read);
    for (const gauge of gauges.values()) gauge.reset();
    // Without labels a gauge is 0 after a reset, and only removing it makes it absent.
    for (const gauge of gauges.values()) if (isUnlabelled(gauge)) gauge.remove();
    for (const { name, labels, value } of samples) gauges.get(name)?.set(labels ?? {}, value);
  }

  private async inTimeOrNone(read: Reading['read']): Promise<Sample[]> {
    try {
      return await inTime(Promise.resolve(read()), ANSWER_MS_MAX);
    } catch (error) {
      this.logger.debug({ err: error }, 'Gauges are left out of a scrape: they could not be read');
      return [];
    }
  }

  private reading(gauges: readonly ReadGauge[], read: Reading['read']): Reading {
    const declared = gauges.map(({ name, help, labelNames = [] }) => {
      // Every process that tells of it tells the same.
      const gauge = new Gauge({ name, help, labelNames, registers: [this.registry], aggregator: 'max' });
      return [name, gauge] as const;
    });
    return { gauges: new Map(declared), read };
  }
}

function isUnlabelled(gauge: Gauge): boolean {
  return (gauge as unknown as { labelNames: readonly string[] }).labelNames.length === 0;
}
