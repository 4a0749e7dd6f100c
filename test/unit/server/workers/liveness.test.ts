import { describe, expect, test } from '@jest/globals';
import { Liveness, pingIntervalMs } from '../../../../src/server/workers/liveness.ts';

const most = 6;
const waits = (count: number): string[] => Array.from({ length: count }, () => 'wait');

/** Rounds one after the other, a little late as they are on a busy machine. */
function rounds(pulse: Liveness, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, n) => pulse.round(from + n * pingIntervalMs * 1.5, most));
}

describe('the pulse of a worker', () => {
  test('is missed after so many rounds without an answer, and not one before', () => {
    expect(rounds(new Liveness(), most + 1)).toEqual(['ask', ...waits(most - 1), 'hung']);
  });

  test('is asked for anew once it was heard, and only then', () => {
    const pulse = new Liveness();
    expect(rounds(pulse, 3)).toEqual(['ask', 'wait', 'wait']);
    pulse.answered();
    expect(rounds(pulse, most, 3 * 1.5 * pingIntervalMs)).toEqual(['ask', ...waits(most - 1)]);
  });

  test('is not missed by a process that was suspended itself', () => {
    const pulse = new Liveness();
    expect(pulse.round(0, most)).toBe('ask');
    const later = 3_600_000;
    expect(rounds(pulse, most, later)).toEqual(waits(most));
    expect(pulse.round(later + most * 1.5 * pingIntervalMs, most)).toBe('hung');
  });

  test('is not missed by a process that is held up again and again', () => {
    const pulse = new Liveness();
    const held = Array.from({ length: 50 }, (_, n) => pulse.round(n * 2.5 * pingIntervalMs, most));
    expect(held).not.toContain('hung');
  });
});
