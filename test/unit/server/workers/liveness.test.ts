import { describe, expect, test } from '@jest/globals';
import { Liveness, pingIntervalMs } from '../../../../src/server/workers/liveness.ts';

const most = 6;
const waits = (count: number): string[] => Array.from({ length: count }, () => 'wait');

/** Rounds one after the other, a little late as they are on a busy machine. */
function rounds(liveness: Liveness, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, n) => liveness.round(from + n * pingIntervalMs * 1.5, most));
}

describe('the liveness of a worker', () => {
  test('is missed after so many rounds without an answer, and not one before', () => {
    expect(rounds(new Liveness(), most + 1)).toEqual(['ask', ...waits(most - 1), 'hung']);
  });

  test('is asked for anew once it was heard, and only then', () => {
    const liveness = new Liveness();
    expect(rounds(liveness, 3)).toEqual(['ask', 'wait', 'wait']);
    liveness.answered();
    expect(rounds(liveness, most, 3 * 1.5 * pingIntervalMs)).toEqual(['ask', ...waits(most - 1)]);
  });

  test('is not missed by a process that was suspended itself', () => {
    const liveness = new Liveness();
    expect(liveness.round(0, most)).toBe('ask');
    const later = 3_600_000;
    expect(rounds(liveness, most, later)).toEqual(waits(most));
    expect(liveness.round(later + most * 1.5 * pingIntervalMs, most)).toBe('hung');
  });

  test('is not missed by a process that is held up again and again', () => {
    const liveness = new Liveness();
    const held = Array.from({ length: 50 }, (_, n) => liveness.round(n * 2.5 * pingIntervalMs, most));
    expect(held).not.toContain('hung');
  });
});
