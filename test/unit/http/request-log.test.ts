import { expect, test } from '@jest/globals';
import { type CallKey, parseCallKey, toGuid } from '../../../src/core/call/key.ts';
import { refuse } from '../../../src/core/decision.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { ReasonCode } from '../../../src/core/reasons.ts';
import { requestLog, type RequestFacts } from '../../../src/http/request-log.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { silentLog } from '../../support/world.ts';

const callOf = (number: number): CallKey => parseCallKey(number.toString(16).padStart(32, '0'))!;
const who = { tenant: 'tenant', app: 'app' };
const refused = 'a request was refused';
const further = 'further requests were refused for the same reason';

function inTime() {
  const clock = new VirtualClock();
  const lines: [string, JsonObject][] = [];
  const log = requestLog({
    log: { ...silentLog, info: (facts, text) => void lines.push([text, facts]) },
    clock,
  });
  const refuseOne = (
    call: CallKey | undefined,
    reason: ReasonCode,
    more: Partial<RequestFacts> = {},
  ): void => {
    const facts: RequestFacts = { surface: 'media', requestId: 'id', askedAt: 0, call, ...more };
    log.refused(facts, refuse(reason));
  };
  return { clock, lines, log, refuseOne };
}

test('the first refusal of each class has a line, with the call as Graph spells it and who asked', () => {
  const { lines, refuseOne } = inTime();
  refuseOne(callOf(1), 'RecordingNotActive', { who, clientRequestId: 'theirs', traceId: 'trace' });
  refuseOne(undefined, 'TokenMissing', { surface: 'control' });
  expect(lines).toEqual([
    [
      refused,
      {
        ...{ surface: 'media', call: toGuid(callOf(1)), tenant: 'tenant', app: 'app' },
        ...{ requestId: 'id', clientRequestId: 'theirs', trace_id: 'trace', reason: 'RecordingNotActive' },
      },
    ],
    [refused, { surface: 'control', requestId: 'id', reason: 'TokenMissing' }],
  ]);
});

test('what an unverified token claims is marked as such', () => {
  const { lines, refuseOne } = inTime();
  refuseOne(callOf(1), 'CallNotFound', { who, isClaim: true });
  expect(lines[0]?.[1]).toMatchObject({ tenant: 'tenant', verified: false });
});

test('refusals of the same class are bounded, and those left out are counted once the time is over', async () => {
  const { clock, lines, refuseOne } = inTime();
  for (let round = 0; round < 3; round += 1)
    for (let number = 0; number < 50; number += 1) refuseOne(callOf(number), 'RecordingNotActive');
  expect(lines.map(([text]) => text)).toEqual(Array.from({ length: 10 }, () => refused));
  expect(new Set(lines.map(([, { call }]) => call)).size).toBe(10);
  await clock.advance(10_000);
  expect(lines.slice(10)).toEqual([
    [further, { surface: 'media', reason: 'RecordingNotActive', leftOut: 140 }],
  ]);
  refuseOne(callOf(1), 'RecordingNotActive');
  expect(lines).toHaveLength(12);
  await clock.advance(10_000);
  expect(lines).toHaveLength(12);
});

test('another reason, or another surface, has lines of its own', () => {
  const { lines, refuseOne } = inTime();
  for (let number = 0; number < 20; number += 1) refuseOne(callOf(number), 'RecordingNotActive');
  refuseOne(callOf(99), 'StoreUnavailable');
  refuseOne(callOf(99), 'RecordingNotActive', { surface: 'control' });
  expect(lines).toHaveLength(12);
});

test('what was left out is told at the end of the process as well', () => {
  const { lines, log, refuseOne } = inTime();
  refuseOne(callOf(1), 'RecordingNotActive');
  refuseOne(callOf(1), 'RecordingNotActive');
  log.close();
  expect(lines.at(-1)).toEqual([further, { surface: 'media', reason: 'RecordingNotActive', leftOut: 1 }]);
  log.close();
  expect(lines).toHaveLength(2);
});

test('there are no access lines where they are not asked for', () => {
  expect(inTime().log.answered).toBeUndefined();
});
