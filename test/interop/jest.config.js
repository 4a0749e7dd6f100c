import shared from '../../jest.config.js';

/** @type {import('jest').Config} */
export default {
  ...shared,
  rootDir: '../..',
  roots: ['<rootDir>/test/interop'],
  testPathIgnorePatterns: [],
  // A .NET program is compiled and a fleet of packages is loaded before the first request.
  testTimeout: 300000,
};
