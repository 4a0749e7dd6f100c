/**
 * Searches for faults take as long as they are worth where `TEST_DEPTH=long` (the project's own check); elsewhere
 * they show that they work, and search a little.
 */
export const isLong = process.env.TEST_DEPTH === 'long';

/** How often a property is tried: so many times, or a quarter of them where the search is short. */
export const runs = (most: number): { readonly numRuns: number } => ({
  numRuns: isLong ? most : Math.ceil(most / 4),
});
