import type { Tally } from '../ports.ts';

/** Whether a report knows nothing of what its session did, so that it never takes the place of one that does. */
export const saysNothing = ({ left }: Tally): boolean => left === 'lost' || left === 'unused';
