/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['<rootDir>/test/!(interop)/**/*.test.ts'],
  modulePathIgnorePatterns: ['/test/interop/.*/node_modules/', '/test/interop/node_modules/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  setupFilesAfterEnv: ['<rootDir>/test/support/matchers.ts'],
  // Nothing waits for it: a machine that is busy with something else needs several times as long.
  testTimeout: 300000,
  maxWorkers: 4,
  // The modules of every test file stay in memory, and each collection of garbage takes longer for them.
  workerIdleMemoryLimit: '400MB',
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
};
