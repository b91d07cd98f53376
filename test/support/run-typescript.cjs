'use strict';
/**
 * Runs a TypeScript program from its source, for tests that need a process of its own to kill:
 * `node test/support/run-typescript.cjs <file.ts> [arguments]`. Checks no types.
 */
const { readFileSync } = require('node:fs');
const { resolve } = require('node:path');
const { transformSync } = require('@swc/core');

require.extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    swcrc: false,
    configFile: false,
    sourceMaps: 'inline',
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      target: 'es2022',
    },
    module: { type: 'commonjs' },
  });
  module._compile(code, filename);
};

const [, , program, ...programArguments] = process.argv;
const filename = resolve(program);
process.argv = [process.argv[0], filename, ...programArguments];
require(filename);
