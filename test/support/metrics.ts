/** What `/metrics` answers, read as Prometheus would. */
export interface Metrics {
  /** By name, as it is declared. */
  types: Map<string, string>;
  samples: MetricSample[];
}

export interface MetricSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** Fails on a line that is none of the format. */
export function parseMetrics(text: string): Metrics {
  const types = new Map<string, string>();
  const samples: MetricSample[] = [];
  for (const line of text.split('\n').filter((each) => each !== '')) {
    if (line.startsWith('# TYPE ')) {
      const [, , name, type] = line.split(' ');
      types.set(name!, type!);
    } else if (!line.startsWith('# HELP ')) {
      samples.push(sampleIn(line));
    }
  }
  return { types, samples };
}

export async function scrape(url: string): Promise<Metrics> {
  return parseMetrics(await (await fetch(`${url}/metrics`)).text());
}

/** The value of the one series with these labels; undefined where there is none. */
export function valueOf({ samples }: Metrics, name: string, labels: Record<string, string> = {}): number | undefined {
  const found = samples.filter((sample) => sample.name === name && has(sample, labels));
  if (found.length > 1) throw new Error(`${found.length} series of ${name} fit ${JSON.stringify(labels)}`);
  return found[0]?.value;
}

function has(sample: MetricSample, labels: Record<string, string>): boolean {
  return Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
}

function sampleIn(line: string): MetricSample {
  const found = LINE.exec(line);
  if (!found) throw new Error(`This is no line of Prometheus' format: ${line}`);
  const [, name, labels = '', value] = found;
  return {
    name: name!,
    labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, label, text]) => [label, text])),
    value: Number(value!.replace('+Inf', 'Infinity').replace('Nan', 'NaN')),
  };
}
