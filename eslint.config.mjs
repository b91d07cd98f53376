// Correctness only; how code is laid out is Prettier's business. Run by `npm run check`.
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Where a process is started from, so where a person reads what is printed. */
const COMMAND_LINES = ['src/main.ts', 'src/launch/**', 'scripts/**', 'test/**'];
/** Who may read the environment: everyone else asks for `Config`. */
const ENVIRONMENT_READERS = ['src/config/**', 'src/main.ts', 'src/launch/*.command.ts'];
const READ_CONFIG = 'Ask for Config: the environment is read once, in src/config.';

export default defineConfig(
  { ignores: ['dist/', 'coverage/', '.holdfast/', 'bench-results/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  tseslint.configs.recommendedTypeChecked,
  {
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-globals': ['error', 'fdescribe', 'fit'],
      'object-shorthand': 'error',
      'prefer-const': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // `async` without `await` still turns a throw into a rejection, and satisfies a contract that may wait.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
    },
  },
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Leaves files with decorators alone: Nest injects by the classes that constructors name, so those stay values.
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  { files: ['**/*.{js,cjs,mjs}'], extends: [tseslint.configs.disableTypeChecked] },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
  { files: COMMAND_LINES, rules: { 'no-console': 'off' } },
  {
    // A test reads a JSON answer as it came and states what it expects; a cast would only repeat that.
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
    },
  },
  {
    files: ['src/**'],
    ignores: ENVIRONMENT_READERS,
    rules: {
      'no-restricted-properties': ['error', { object: 'process', property: 'env', message: READ_CONFIG }],
      'no-restricted-imports': [
        'error',
        ...['process', 'node:process'].map((name) => ({ name, importNames: ['env'], message: READ_CONFIG })),
      ],
    },
  },
);
