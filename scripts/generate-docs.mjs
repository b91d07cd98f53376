// Writes the documents that follow from the code. `npm run docs` writes them, `npm run docs -- --check` fails where one
// of them no longer says what the code does. Reads `dist/`, so build first; `npm run docs` does.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configurationTable, exampleEnvironment } from './docs/configuration.mjs';
import { openApi } from './docs/openapi.mjs';
import { orderLifecycle } from './docs/order-lifecycle.mjs';
import { schema } from './docs/schema.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const documents = {
  '.env.example': exampleEnvironment,
  'docs/configuration.md': configurationTable,
  'docs/openapi.json': openApi,
  'docs/order-lifecycle.md': orderLifecycle,
  'docs/schema.sql': schema,
};

const [flag, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (flag !== undefined && flag !== '--check')) {
  console.error('Usage: npm run docs [-- --check]');
  process.exit(2);
}

const drifted = [];
for (const [name, generate] of Object.entries(documents)) {
  const file = join(root, name);
  const text = await generate();
  if (text === contentOf(file)) continue;
  drifted.push(name);
  if (flag === '--check') continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

if (flag === '--check' && drifted.length > 0) {
  console.error(`Out of date: ${drifted.join(', ')}. Run npm run docs and commit what it writes.`);
  process.exit(1);
}
console.log(drifted.length === 0 ? 'The generated documents are up to date.' : `Wrote ${drifted.join(', ')}.`);

function contentOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
