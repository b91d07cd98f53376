// `npm test`: runs every suite and closes with what ran, so that a skipped suite is never overlooked.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** A file system in memory, on Linux. */
const IN_MEMORY = '/dev/shm';
/** Much more than the databases and brokers of a whole run take at once. */
const ROOM_BYTES_MIN = 6 * 1024 ** 3;

const folder = mkdtempSync(join(placeForFolders(), 'holdfast-jest-'));
// Servers that are started by root run under accounts of their own, which have to get in.
chmodSync(folder, 0o711);
const report = join(folder, 'report.json');
const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
const { status } = spawnSync(process.execPath, [jest, '--json', `--outputFile=${report}`, ...process.argv.slice(2)], {
  cwd: root,
  env: { ...process.env, TMPDIR: folder },
  // The machine-readable report goes to the file; what people read goes to standard error.
  stdio: ['ignore', 'ignore', 'inherit'],
});

/** What tests keep is thrown away, so memory will do: a database made from the template took 31 ms there and 238 on a slow disk. */
function placeForFolders() {
  try {
    const { bavail, bsize } = statfsSync(IN_MEMORY);
    if (Math.min(bavail * bsize, freemem()) >= ROOM_BYTES_MIN) return IN_MEMORY;
  } catch {
    // There is none.
  }
  return tmpdir();
}

let results;
try {
  results = JSON.parse(readFileSync(report, 'utf8'));
} catch {
  console.error('The tests did not start.');
  process.exit(status || 1);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const suites = new Map();
for (const { name, assertionResults } of results.testResults) {
  const kind = relative(join(root, 'test'), name).split(sep)[0];
  const counts = suites.get(kind) ?? { ran: 0, skipped: [] };
  const skipped = assertionResults.length > 0 && assertionResults.every((test) => test.status === 'pending');
  if (skipped) counts.skipped.push(relative(root, name));
  else counts.ran += 1;
  suites.set(kind, counts);
}
console.log();
for (const [kind, { ran, skipped }] of [...suites].sort()) {
  console.log(`${kind}: ${ran} suites ran${skipped.length === 0 ? '' : `, skipped: ${skipped.join(', ')}`}`);
}
const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites } = results;
const unstarted = results.testResults.filter(
  (suite) => suite.status === 'failed' && suite.assertionResults.length === 0,
);
if (numPendingTests > 0)
  console.log(
    'Skipped for want of RabbitMQ (RABBITMQ_URL, 127.0.0.1:5672 or an installed rabbitmq-server), redis-server, Prometheus (prometheus, prometheus-alertmanager), PostgreSQL 15 (postgresql-15), Chromium or root.',
  );
for (const { name } of unstarted) console.log(`did not start: ${relative(root, name)}`);
const failed = numFailedTests + unstarted.length;
console.log(`${numPassedTests} passed, ${failed} failed${numPendingTests === 0 ? '' : `, ${numPendingTests} skipped`}`);
process.exit(status === 0 && numFailedTestSuites === 0 ? 0 : 1);
