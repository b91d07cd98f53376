import { residentBytesOf } from './cpu';
import { resetOrders } from './catalogue';
import type { LoadOutcome } from './load/outcome';
import { checkBooks } from './placement/books';
import { type Case, CONNECTIONS } from './placement/cases';
import { closedLoop, refuseOthers } from './placement/run';
import { figure, type Report, type Table } from './report';
import type { Testbed } from './testbed';

/** A moment of the soak. */
interface Sample {
  atSeconds: number;
  residentMiB: number | undefined;
}

const SAMPLE_EVERY_MS = 10_000;
/**
 * At thousands of orders a second the tables would soon be the topic. So the load pauses this often, the tables are put
 * back, and it goes on; the API process lives through all of it, and its memory is watched during the pauses too.
 */
const ROUND_SECONDS = 60;
const MIB = 2 ** 20;

const LOAD: Case = { name: 'soak', what: 'API, spread, with keys', kind: 'api', shape: 'spread', keyed: true };

/** Memory of one API process at full load. */
export async function soak(testbed: Testbed, { minutes }: { minutes: number }): Promise<Report> {
  const startedAt = performance.now();
  const [api] = testbed.apis;
  const samples: Sample[] = [];
  const sample = (): void => {
    const bytes = residentBytesOf(api.pid);
    const atSeconds = Math.round((performance.now() - startedAt) / 1000);
    samples.push({ atSeconds, residentMiB: bytes === undefined ? undefined : Math.round(bytes / MIB) });
  };
  const timer = setInterval(sample, SAMPLE_EVERY_MS);
  sample();
  const rounds: LoadOutcome[] = [];
  try {
    for (let left = minutes * 60; left > 0; left -= ROUND_SECONDS) {
      rounds.push(await runRound(testbed, Math.min(left, ROUND_SECONDS)));
      const { created, elapsedSeconds } = rounds.at(-1)!;
      console.log(`${figure(created / elapsedSeconds)} orders/s, ${figure(samples.at(-1)!.residentMiB)} MiB resident`);
    }
  } finally {
    clearInterval(timer);
  }
  sample();
  return { tables: [curve(samples)], data: { samples, rounds } };
}

async function runRound(testbed: Testbed, seconds: number): Promise<LoadOutcome> {
  await resetOrders(testbed.database);
  const { answer } = await testbed.generator.run(closedLoop(LOAD, testbed, seconds));
  refuseOthers(LOAD, answer);
  await checkBooks(testbed.database, LOAD, answer.created, CONNECTIONS);
  return answer;
}

function curve(samples: Sample[]): Table {
  const most = Math.max(...samples.map(({ residentMiB }) => residentMiB ?? 0), 1);
  const rows = samples.map(({ atSeconds, residentMiB }) => [
    `${Math.floor(atSeconds / 60)}:${String(atSeconds % 60).padStart(2, '0')}`,
    figure(residentMiB),
    '▇'.repeat(Math.round(((residentMiB ?? 0) / most) * 40)).padEnd(40),
  ]);
  return { title: 'Resident memory of the API under full load', columns: ['min:s', 'MiB', ''.padEnd(40)], rows };
}
