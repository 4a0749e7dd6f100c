import { describe, expect, test } from '@jest/globals';
import { judgeStops, type Evidence, type Judgement } from './hard-stops.ts';

const call = '11111111-1111-4111-8111-111111111111';
const stop = {
  what: 'stop',
  call,
  instance: 1,
  began: 1000,
  tookMs: 100,
  status: 503,
  reason: 'StoreUnavailable',
} as const;
const write = { call, instance: 1, began: 2000 };
const full = { fault: 'Redis is full', store: true, full: true, from: 0, until: 9000 } as const;

const judged = (changes: Partial<Evidence>, isStored = true): Judgement =>
  judgeStops({
    answers: [stop],
    tries: new Map([['w', write]]),
    stored: new Set(isStored ? ['w'] : []),
    troubles: [],
    log: [],
    ttlMs: 1000,
    lateMs: () => 0,
    ...changes,
  });

describe('a write that was begun where a stop had been refused', () => {
  test('is found out if it was let in, and counted if it was not', () => {
    expect(judged({}).problems).toEqual([expect.stringContaining('though it had answered a stop with 503')]);
    expect(judged({}, false)).toEqual({ problems: [], afterStops: 1, whileFull: 0 });
  });

  test.each<[string, Partial<Evidence>]>([
    ['on another proxy', { answers: [{ ...stop, instance: 2 }] }],
    ['of another call', { answers: [{ ...stop, call: call.replaceAll('1', '2') }] }],
    ['before the stop was answered', { tries: new Map([['w', { ...write, began: 1050 }]]) }],
    ['after a connection that broke', { answers: [{ ...stop, status: 0 }] }],
    ['after a stop that nobody could verify', { answers: [{ ...stop, reason: 'CannotVerify' }] }],
    ['after a later recording', { log: [{ call, asked: 'recording', receivedAt: 1500 }] }],
    [
      'on a proxy that was killed since',
      { troubles: [{ fault: 'a proxy is killed', instances: [1], from: 1500, until: 1600 }] },
    ],
  ])('%s is none', (_, changes) => {
    expect(judged(changes)).toMatchObject({ problems: [], afterStops: 0 });
  });

  test.each([
    ['before', 500],
    ['when it was over', 9000],
  ])('is one although a recording was asked for %s', (_, receivedAt) => {
    const log = [{ call, asked: 'recording', receivedAt }] as const;
    expect(judged({ log }).problems).toHaveLength(1);
  });
});

describe('a write while the store was full', () => {
  const nothing = { answers: [], troubles: [full] };

  test('for longer than a session lives is found out if it was let in', () => {
    expect(judged(nothing).problems).toEqual([expect.stringContaining('while the store was full')]);
    expect(judged(nothing, false)).toEqual({ problems: [], afterStops: 0, whileFull: 1 });
  });

  test.each<[string, number]>([
    ['for less than a session lives', 1200],
    ['that may have come when there was room again', 8000],
  ])('%s is none', (_, began) => {
    const tries = new Map([['w', { ...write, began }]]);
    expect(judged({ ...nothing, tries })).toEqual({ problems: [], afterStops: 0, whileFull: 0 });
  });
});
