import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Manifest {
  version: string;
}

export const { version } = JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as Manifest;
