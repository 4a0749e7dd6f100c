/**
 * Searches for faults take as long as they are worth where `TEST_DEPTH=long` (the project's own check); elsewhere
 * they show that they work, and search a little.
 */
export const isLong = process.env.TEST_DEPTH === 'long';
