import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const only = (...scopes) => scopes.map((scope) => `scope:${scope}`);

/** design.md §2: who may import whom. The tags stand in each package.json; packages of one's own scope are always allowed. */
const boundaries = [
  { sourceTag: 'scope:contracts', onlyDependOnLibsWithTags: [], bannedExternalImports: ['@nestjs/*', 'typeorm', 'bullmq'] },
  { sourceTag: 'scope:blob-store-port', onlyDependOnLibsWithTags: only('contracts') },
  { sourceTag: 'scope:blob-store', onlyDependOnLibsWithTags: only('contracts', 'blob-store-port') },
  { sourceTag: 'scope:blob-store-registry', onlyDependOnLibsWithTags: only('contracts', 'blob-store-port', 'blob-store') },
  {
    sourceTag: 'scope:repository',
    onlyDependOnLibsWithTags: only('contracts', 'blob-store-port'),
    bannedExternalImports: ['@nestjs/*', 'typeorm', 'bullmq', 'pg'],
  },
  {
    sourceTag: 'scope:cloud-accounts',
    onlyDependOnLibsWithTags: only('contracts'),
    bannedExternalImports: ['@nestjs/*', 'typeorm', 'bullmq'],
  },
  { sourceTag: 'scope:connector-kit', onlyDependOnLibsWithTags: only('contracts') },
  {
    sourceTag: 'scope:connector',
    onlyDependOnLibsWithTags: only('contracts', 'connector-kit', 'cloud-accounts'),
    bannedExternalImports: ['@nestjs/*', 'typeorm', 'bullmq'],
  },
  { sourceTag: 'scope:secrets', onlyDependOnLibsWithTags: only('contracts') },
  {
    sourceTag: 'scope:recovery-kit',
    onlyDependOnLibsWithTags: only('contracts', 'repository'),
    bannedExternalImports: ['@nestjs/*', 'typeorm', 'bullmq'],
  },
  {
    sourceTag: 'scope:execution',
    onlyDependOnLibsWithTags: only(
      'contracts',
      'connector-kit',
      'connector',
      'repository',
      'recovery-kit',
      'blob-store-port',
      'blob-store-registry',
      'secrets',
    ),
    bannedExternalImports: ['@nestjs/*', 'typeorm', 'bullmq'],
  },
  {
    sourceTag: 'scope:audit-trail',
    onlyDependOnLibsWithTags: only('contracts'),
    bannedExternalImports: ['@nestjs/*', 'typeorm', 'bullmq'],
  },
  { sourceTag: 'scope:persistence', onlyDependOnLibsWithTags: only('contracts') },
  { sourceTag: 'scope:messaging', onlyDependOnLibsWithTags: only('contracts', 'persistence') },
  { sourceTag: 'scope:service-kit', onlyDependOnLibsWithTags: only('contracts', 'persistence', 'messaging') },
  { sourceTag: 'scope:installation', onlyDependOnLibsWithTags: only('contracts', 'persistence', 'secrets', 'service-kit') },
  // It starts the services as processes, and imports none.
  { sourceTag: 'scope:cluster', onlyDependOnLibsWithTags: only('contracts', 'installation', 'service-kit') },
  { sourceTag: 'scope:api-client', onlyDependOnLibsWithTags: only('contracts') },
  {
    sourceTag: 'scope:service',
    onlyDependOnLibsWithTags: only(
      'contracts',
      'audit-trail',
      'cloud-accounts',
      'service-kit',
      'persistence',
      'messaging',
      'secrets',
      'execution',
      'repository',
      'recovery-kit',
      'blob-store-port',
      'blob-store-registry',
      'connector-kit',
      'connector',
    ),
  },
  { sourceTag: 'scope:standalone', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'scope:client', onlyDependOnLibsWithTags: only('contracts', 'api-client', 'audit-trail', 'execution', 'translations') },
  // The second reader proves the document only as long as it shares nothing with the engine.
  { sourceTag: 'scope:reader', onlyDependOnLibsWithTags: [] },
  { sourceTag: 'scope:bench', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'scope:e2e', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'scope:test-servers', onlyDependOnLibsWithTags: [] },
];

/** Specs start real servers, and may check a package together with those above it. */
const boundariesOfSpecs = boundaries.map((rule) => ({ ...rule, onlyDependOnLibsWithTags: ['*'] }));

const moduleBoundaries = (depConstraints) => [
  'error',
  {
    enforceBuildableLibDependency: false,
    allowCircularSelfDependency: true,
    checkDynamicDependenciesExceptions: ['.*'],
    allow: [],
    depConstraints,
  },
];

export default tseslint.config(
  {
    ignores: [
      '**/dist/',
      '**/node_modules/',
      '.nx/',
      '.data/',
      'coverage/',
      '**/generated/',
      'tools/**',
      '**/assembly/*.ts',
      '**/wasm/*.ts',
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'off' },
    languageOptions: { globals: Object.fromEntries(nodeGlobals().map((name) => [name, 'readonly'])) },
    rules: {
      'no-console': 'off',
      // A cause may quote a secret; leaving it out is sometimes the point.
      'preserve-caught-error': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      'no-restricted-imports': ['error', { patterns: [{ group: ['**/dist/**'], message: 'Import the package by its name.' }] }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
      '@typescript-eslint/consistent-type-imports': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-namespace': ['error', { allowDeclarations: true }],
    },
  },
  {
    files: ['{libs,services,clients,bench,demo,e2e}/**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': moduleBoundaries(boundaries),
      // A promise nobody waits for is a failure nobody hears of (style.md §3.6).
      '@typescript-eslint/no-floating-promises': 'error',
      // A promise returned bare from inside a `try` or `using` outlives them: its failure isn't caught, its resource is gone.
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    files: [
      '{libs,services,clients,bench,demo,e2e}/**/*.spec.ts',
      '{libs,services,clients}/**/testing/**/*.ts',
      '{libs,services}/**/start-test-*.ts',
    ],
    rules: { '@nx/enforce-module-boundaries': moduleBoundaries(boundariesOfSpecs), 'max-lines': 'off' },
  },
  {
    files: ['services/gateway/public/**'],
    languageOptions: {
      globals: Object.fromEntries(
        ['document', 'window', 'location', 'history', 'FormData', 'localStorage'].map((name) => [name, 'readonly']),
      ),
    },
  },
  prettier,
);

function nodeGlobals() {
  return [
    'process',
    'console',
    'Buffer',
    'URL',
    'URLSearchParams',
    'AbortController',
    'AbortSignal',
    'fetch',
    'performance',
    'structuredClone',
    'TextDecoder',
    'TextEncoder',
    'WebAssembly',
    'crypto',
    'setTimeout',
    'clearTimeout',
    'setInterval',
    'clearInterval',
    'setImmediate',
    'clearImmediate',
    'queueMicrotask',
    'navigator',
    'Response',
    'Request',
    'Headers',
    'ReadableStream',
    'Blob',
    'btoa',
    'atob',
    'SharedArrayBuffer',
    'Atomics',
  ];
}
