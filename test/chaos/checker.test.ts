import { describe, expect, test } from '@jest/globals';
import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import type { LogEntry } from '../../src/sandbox/graph/log.ts';
import type { BannerChange } from '../../src/sandbox/graph/state.ts';
import { judgeAnswers, slackMs, type TimedAnswer } from './answers.ts';
import {
  doubledRecords,
  lostRecords,
  overInOrder,
  strayBytes,
  uncovered,
  wholeThoughCut,
  type GraphSide,
} from './checker.ts';
import type { StampedWrite } from './stamps.ts';
import type { Trouble } from './troubles.ts';

const call = 'aaaaaaaabbbb4ccc8dddeeeeeeeeeeee';
const guid = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const epoch = 7;

const entry = (receivedAt: number, more: Partial<LogEntry>): LogEntry => ({
  seq: 1,
  receivedAt,
  method: 'POST',
  path: '',
  headerNames: [],
  clientRequestId: null,
  scenarioId: null,
  action: 'updateRecordingStatus',
  call: guid,
  app: null,
  tenant: null,
  asked: null,
  effectAt: receivedAt,
  answeredAt: receivedAt,
  answered: 200,
  ...more,
});
const shown = (at: number, state: BannerChange['state']): BannerChange => ({ at, call: guid, state });

/** A recording from 100 to 200. */
const recorded: GraphSide = {
  log: [
    entry(90, { asked: 'recording', effectAt: 95, answeredAt: 100 }),
    entry(200, { asked: 'notRecording' }),
  ],
  banner: [shown(95, 'recording'), shown(200, 'notRecording')],
  sightings: [],
};

/** Acknowledged if it has an end. */
const write = (
  moments: readonly { readonly at: number; readonly leftAt?: number }[],
  endedAt?: number,
): StampedWrite => ({
  isStream: false,
  name: endedAt === undefined ? 'cut' : 'whole',
  call,
  epoch,
  ranges: moments.map(({ at, leftAt }, n) => ({ at, leftAt, from: 640 * n, to: 640 * (n + 1) })),
  endedAt,
});

const record = (event: EvidenceRecord['event'], detail: EvidenceRecord['detail'] = {}): EvidenceRecord =>
  ({ call, epoch, event, detail, hash: event }) as unknown as EvidenceRecord;
const confirmed = record('startConfirmed');
const drained = (bytes: number, ...left: string[]): EvidenceRecord =>
  record('drained', {
    interval: { epoch },
    writes: { bytes, aborted: 0, unanswered: 0 },
    holders: left.map((how) => ({ left: how })),
  });

describe('bytes outside what Graph confirmed', () => {
  const stray = (one: StampedWrite, side: Partial<GraphSide> = {}): number =>
    strayBytes([one], new Set(['whole']), { ...recorded, ...side }).length;

  test('none are found between the success and the stop', () => {
    expect(stray(write([{ at: 101 }, { at: 199 }], 199.5))).toBe(0);
  });
  test.each([
    ['before the success was told', write([{ at: 99 }], 101), 1],
    ['after the stop', write([{ at: 150 }, { at: 201 }], 202), 2],
    ['of a body that ended after the stop', write([{ at: 199 }], 201), 1],
    ['of another call', { ...write([{ at: 150 }], 151), call: 'f'.repeat(32) }, 2],
    ['that left the proxy after the stop, though the body was cut', write([{ at: 203, leftAt: 201 }]), 1],
  ])('are found: %s', (_what, one, count) => {
    expect(stray(one)).toBe(count);
  });
  test('a body that was cut may still have been on the wire', () => {
    expect(stray(write([{ at: 203, leftAt: 199 }, { at: 204 }]))).toBe(0);
  });
  test('a body that came whole after the stop is counted, where nobody was told that it was stored', () => {
    const cut = { ...write([{ at: 203, leftAt: 199 }], 204), name: 'cut' };
    const early = { ...write([{ at: 150, leftAt: 150 }], 151), name: 'cut' };
    expect(stray(cut)).toBe(0);
    expect(wholeThoughCut([cut, early, write([{ at: 150 }], 204)], new Set(['whole']), recorded)).toBe(1);
  });
  test('writes of an epoch in which nothing was cut count from when they were stored, whatever their bots were told', () => {
    const late = [{ ...write([{ at: 203, leftAt: 199 }], 204), name: 'stream' }];
    const told = (...holders: string[]): EvidenceRecord => drained(1280, ...holders);
    const cut = (counts: object): EvidenceRecord =>
      record('drained', {
        ...told('cut').detail,
        writes: { bytes: 640, aborted: 0, unanswered: 0, ...counts },
      });
    expect(strayBytes(late, overInOrder(late, []), recorded)).toEqual([]);
    expect(strayBytes(late, overInOrder(late, [told('drained')]), recorded)).toHaveLength(2);
    for (const loose of [
      cut({ aborted: 1 }),
      cut({ unanswered: 1 }),
      told('drained', 'lost'),
      { ...told('drained'), epoch: 6 },
    ])
      expect([...overInOrder(late, [loose])]).toEqual([]);
  });
  test('a stop counts from when it left the proxy, even if it never came to Graph', () => {
    const sightings = [{ call, at: 160 }];
    expect(stray(write([{ at: 170 }], 171), { sightings })).toBe(2);
    expect(stray(write([{ at: 170 }], 171), { log: recorded.log.slice(0, 1), sightings })).toBe(2);
    expect(stray(write([{ at: 150 }], 151), { sightings })).toBe(0);
  });
  test.each([
    ['hangUp', entry(150, { action: 'hangUp', method: 'DELETE' })],
    ['failed', entry(150, { asked: 'failed', answered: 500, effectAt: null })],
  ])('a stop is any stop, whatever came of it: %s', (_what, stop) => {
    expect(stray(write([{ at: 160 }], 161), { log: [...recorded.log, stop] })).toBe(2);
  });
  test.each([
    ['was refused', { answered: 403, effectAt: null }],
    ['got no answer', { answered: 'none' }],
    ['was answered in part', { answered: 'reset' }],
    ['is pending', { answered: 200, answeredAt: 92, effectAt: 95 }],
  ] as const)('a start that %s opens nothing', (_what, change) => {
    const log = [entry(90, { asked: 'recording', effectAt: 95, answeredAt: 100, ...change })];
    expect(stray(write([{ at: 150 }], 151), { log })).toBe(2);
  });
  test('a pending start counts from when its operation was read', () => {
    const start = entry(90, { asked: 'recording', answeredAt: 92, effectAt: 95 });
    const log = [start, entry(94, { action: 'getOperation' }), entry(120, { action: 'getOperation' })];
    expect(stray(write([{ at: 119 }], 121), { log })).toBe(1);
  });
  test('a stop that takes effect late darkens what was confirmed since', () => {
    const banner = [...recorded.banner.slice(0, 1), shown(140, 'notRecording')];
    expect(stray(write([{ at: 150 }], 151), { banner })).toBe(2);
  });
});

describe('bytes that the evidence does not account for', () => {
  const stored = [write([{ at: 150 }, { at: 160 }], 161)];
  const loss = (from: number): Trouble => ({ fault: 'loss', forgets: true, from, until: from + 10 });

  test('none are found where the evidence tells of as many', () => {
    expect(uncovered(stored, [confirmed, drained(1280, 'drained')], [])).toEqual([]);
  });
  test('are found where no success was noted, unless the store forgot it soon after', () => {
    expect(uncovered(stored, [], [])).toHaveLength(1);
    expect(uncovered(stored, [{ ...confirmed, epoch: 6 }], [])).toHaveLength(1);
    expect(uncovered(stored, [], [loss(100)])).toHaveLength(1);
    expect(uncovered(stored, [], [loss(1000)])).toEqual([]);
  });
  test('are found where the interval tells of fewer, unless one who admitted them was lost', () => {
    expect(uncovered(stored, [confirmed, drained(1279, 'drained')], [])).toHaveLength(1);
    expect(uncovered(stored, [confirmed, drained(0, 'drained', 'lost')], [])).toEqual([]);
  });
  test('records that are not the last of their call in the store are missed', () => {
    const records = [confirmed, drained(1280)];
    expect(lostRecords(new Map([[call, 'drained']]), records)).toEqual([]);
    expect(lostRecords(new Map([[call, 'stopConfirmed']]), records)).toHaveLength(1);
    expect(lostRecords(new Map([[call, null]]), records)).toEqual([]);
  });
});

test('records that are in the evidence twice are found', () => {
  const [one, other] = ['a', 'b'].map((hash, seq) => ({ call, seq, hash }) as unknown as EvidenceRecord);
  expect(doubledRecords([one!, other!])).toEqual([]);
  expect(doubledRecords([one!, other!, one!])).toEqual([`record 0 of call ${call} is in the evidence twice`]);
});

describe('answers that came late or never', () => {
  const times = { ttlMs: 700, drainMs: 300, graphTimeoutMs: 500 };
  const bound = 300 + 700 + 2 * 500 + slackMs;
  const answer = (more: Partial<TimedAnswer>): TimedAnswer => ({
    what: 'stop',
    call,
    instance: 0,
    began: 10_000,
    tookMs: 100,
    status: 200,
    reason: undefined,
    ...more,
  });
  const trouble = (more: Partial<Trouble>): Trouble => ({ fault: 'x', from: 9000, until: 30_000, ...more });
  const late = (more: Partial<TimedAnswer>, ...troubles: Trouble[]): number =>
    judgeAnswers([answer(more)], troubles, times).problems.length;

  test('a stop has to be answered within the bound', () => {
    expect(late({ tookMs: bound })).toBe(0);
    expect(late({ tookMs: bound + 1 })).toBe(1);
    expect(late({ status: 0 })).toBe(1);
  });
  test('what no fault excuses is counted, and how near it came', () => {
    const judged = judgeAnswers(
      [answer({ tookMs: bound - 7 }), answer({ instance: 1 }), answer({ what: 'keepAlive' })],
      [trouble({ instances: [1], from: 9990, until: 10_001 })],
      times,
    );
    expect(judged).toEqual({ problems: [], stops: 1, signals: 0, leastMarginMs: 700 + 7 });
  });
  test('a fault upon its own proxy excuses it, and one upon another only lengthens the bound', () => {
    expect(late({ tookMs: 15_000, status: 0 }, trouble({ instances: [0] }))).toBe(0);
    expect(late({ tookMs: bound + 700 }, trouble({ instances: [1] }))).toBe(0);
    expect(late({ tookMs: bound + 701 }, trouble({ instances: [1] }))).toBe(1);
    expect(late({ tookMs: bound + 1 }, trouble({ instances: [0], until: 9500 }))).toBe(0);
    expect(late({ tookMs: bound + 1 }, trouble({ instances: [0], from: 1000, until: 2000 }))).toBe(1);
  });
  test('what the machine was late is added for every process in turn', () => {
    const judged = (tookMs: number): number =>
      judgeAnswers([answer({ tookMs })], [], times, (from, until) => (until - from) / 100).problems.length;
    expect(judged(bound + 100)).toBe(0);
    expect(judged(bound + 120)).toBe(1);
  });
  test('a proxy whose own way to the store is troubled has to answer all the same', () => {
    const cutOff = trouble({ storeOf: [0] });
    expect(late({ status: 0 }, cutOff)).toBe(1);
    expect(late({ tookMs: bound + 700 + 4000 }, cutOff)).toBe(0);
    expect(late({ tookMs: bound + 700 + 4001 }, cutOff)).toBe(1);
    const keepAlive = { what: 'keepAlive', status: 503, reason: 'StoreUnavailable' } as const;
    expect(late(keepAlive, cutOff)).toBe(1);
    expect(late(keepAlive, trouble({ storeOf: [1] }))).toBe(0);
    expect(late({ tookMs: bound + 701 }, trouble({ storeOf: [1] }))).toBe(1);
  });
  test('signalling has to be answered while the store is away', () => {
    const away = trouble({ store: true });
    const keepAlive = { what: 'keepAlive', status: 503, reason: 'StoreUnavailable' } as const;
    expect(late(keepAlive, away)).toBe(1);
    expect(late({ what: 'keepAlive', status: 500, reason: 'InternalFault' }, away)).toBe(1);
    expect(late(keepAlive)).toBe(0);
    expect(late({ what: 'keepAlive', status: 0 }, away)).toBe(1);
    expect(late({ what: 'keepAlive', status: 504, reason: 'GraphTimeout' }, away)).toBe(0);
    expect(late({ what: 'keepAlive', tookMs: 500 + slackMs + 1 }, away)).toBe(1);
    expect(late({ what: 'keepAlive', tookMs: 300 }, away)).toBe(0);
  });
});
