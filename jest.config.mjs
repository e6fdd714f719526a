/** Needs Node 24 and `NODE_OPTIONS=--experimental-vm-modules` (Nest 12 is ESM only); `npm test` sets both. */
export default {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  // Workspace packages resolve to their sources, so that tests need no build.
  testEnvironmentOptions: { customExportConditions: ['@rahat/source', 'node', 'node-addons'] },
  testMatch: ['<rootDir>/{libs,services,clients,bench,demo,e2e,scripts}/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['/dist/', '<rootDir>/\\.data/', '<rootDir>/\\.nx/', '<rootDir>/tools/'],
  watchPathIgnorePatterns: ['/dist/', '/\\.data/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  // NodeNext sources import their neighbours as `./name.js`; in packages outside the workspace that is really a .js file.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': ['$1.ts', '$1.js'] },
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        module: { type: 'es6' },
        sourceMaps: 'inline',
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
          keepClassNames: true,
        },
      },
    ],
  },
  testTimeout: 60_000,
  testSequencer: '<rootDir>/scripts/testing/longest-first.mjs',
  // What suites leave behind in a worker's heap makes each later garbage collection longer.
  workerIdleMemoryLimit: '400MB',
};
