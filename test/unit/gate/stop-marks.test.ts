import { describe, expect, test } from '@jest/globals';
import { parseCallKey } from '../../../src/core/call/key.ts';
import { StopMarks } from '../../../src/gate/stop-marks.ts';
import { bot } from '../../support/gate.ts';

describe('what is remembered of stops', () => {
  const calls = Array.from({ length: 5 }, (_, n) => parseCallKey(`${n}`.padStart(32, '0'))!);
  const binding = bot;

  test('has a bound, beyond which every call is closed until it is recorded anew', () => {
    const stops = new StopMarks(() => 0, { maxWaiting: 2 });
    for (const call of calls.slice(0, 3)) stops.add(call, bot, undefined);
    expect(stops.needsTime).toBe(true);
    expect(stops.covers(calls[4]!, { epoch: 7, binding })).toBe(true);
    stops.timeIs(100);
    expect(stops.needsTime).toBe(false);
    expect(stops.covers(calls[4]!, { epoch: 100, binding })).toBe(true);
    expect(stops.covers(calls[4]!, { epoch: 101, binding })).toBe(false);
  });

  test('is what everybody asked for, though one of them takes it back', () => {
    const stops = new StopMarks(() => 0);
    const [first, second] = [1, 2].map(() => stops.add(calls[0]!, bot, undefined));
    second!.drop();
    second!.drop();
    expect(stops.isWaiting(calls[0]!)).toBe(true);
    expect(stops.covers(calls[0]!, { epoch: 5, binding })).toBe(true);
    expect(first!.epoch).toBe(5);
    first!.drop();
    expect(stops.covers(calls[0]!, { epoch: 5, binding })).toBe(false);
  });

  test('tells which recording was meant each time it is asked for', () => {
    const stops = new StopMarks(() => 0);
    const first = stops.add(calls[0]!, bot, 5);
    const second = stops.add(calls[0]!, bot, undefined);
    expect([first.epoch, second.epoch]).toEqual([5, undefined]);
    expect(stops.covers(calls[0]!, { epoch: 6, binding })).toBe(true);
    expect(second.epoch).toBe(6);
    expect(stops.covers(calls[0]!, { epoch: 7, binding })).toBe(false);
  });

  test('of other instances, or stored, makes room for what is newer', () => {
    const stops = new StopMarks(() => 0, { maxOthers: 2 });
    for (const call of calls.slice(0, 3)) stops.announced(call, 5);
    expect(calls.map((call) => stops.covers(call, { epoch: 5, binding }))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  test('is all of a call while another instance does not know what is meant, for a while', () => {
    let now = 0;
    const stops = new StopMarks(() => now);
    stops.announced(calls[0]!, null);
    expect(stops.covers(calls[0]!, { epoch: 5, binding })).toBe(true);
    now = 60_000;
    expect(stops.covers(calls[0]!, { epoch: 5, binding })).toBe(false);
  });
});
