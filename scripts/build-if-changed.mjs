// Builds `dist/` when something that goes into it has changed since the last build, and is silent otherwise:
// a second `npm start` skips the compiler, which is most of its time.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
// An image brings what is built, and nothing to build it from.
if (!existsSync(join(root, 'src'))) process.exit(0);
const stamp = join(root, 'dist', '.sources.sha256');

function sourcesHash() {
  const hash = createHash('sha256');
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const settings = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json'].map((name) =>
    join(root, name),
  );
  for (const file of [...settings, ...sources.sort()]) hash.update(file).update('\0').update(readFileSync(file));
  return hash.digest('hex');
}

const wanted = sourcesHash();
const built = existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined;
if (built !== wanted) {
  const cli = join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
  if (!existsSync(cli)) {
    console.error('The compiler is not installed: run `npm ci --include=dev` (NODE_ENV=production leaves it out).');
    process.exit(1);
  }
  console.log('Building Holdfast …');
  const { status } = spawnSync(process.execPath, [cli, 'build'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(stamp, wanted);
}
