/**
 * Searches for faults take as long as they are worth where `TALLYLIGHT_TESTS=long` (the project's own check); elsewhere
 * they show that they work, and search a little.
 */
export const isLong = process.env.TALLYLIGHT_TESTS === 'long';
