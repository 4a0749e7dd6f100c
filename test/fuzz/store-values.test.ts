import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { keptStates, stateNames, unknownCall } from '../../src/core/call/state.ts';
import { isFault, messageOf } from '../../src/core/errors.ts';
import {
  parseBinding,
  parseCallState,
  parseContent,
  parseTally,
  sumCensus,
} from '../../src/store/redis/decode.ts';
import { parseRedisUrl } from '../../src/store/redis/target.ts';
import { History } from '../support/evidence/history.ts';
import { cases, edited, nearJson, ofLongRun } from './cases.ts';

const secret = 'hunter2canary';
const state = JSON.stringify({
  ...new History(1).recording().state,
  exchange: { kind: 'start', token: 'x', heldAt: 3, forMs: 5, operation: 'op' },
  notified: {
    states: ['established'],
    applicationInstance: null,
    roster: { participants: {}, shownIn: 0, contradictedIn: {} },
  },
});
const texts = [
  state,
  JSON.stringify(unknownCall),
  '{"tenant":"a","app":"b"}',
  'null',
  '{"admitted":1,"aborted":0,"unanswered":0,"refused":2,"bytes":5,"left":"drained","drainMs":null}',
  '{"admitted":2,"aborted":0,"unanswered":2,"refused":0,"bytes":5,"left":"cut","drainMs":9,"discarded":1,"notDiscarded":1,"notDiscardedIds":["a-1"]}',
  JSON.stringify(new History(1).recording().records[0]),
];
const pieces = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  'null',
  '-1',
  '1e999',
  '0',
  '""',
  '{}',
  '[]',
  '"recording"',
  '"idle"',
  'true',
  '\\u0000',
  '"state":"recording"',
  '\0',
];
const names = [
  'state',
  'epoch',
  'binding',
  'exchange',
  'kind',
  'token',
  'forMs',
  'heldAt',
  'wire',
  'startedAt',
  'openedAt',
  'closedAt',
  'notified',
  'roster',
  'participants',
  'seq',
  'head',
  'left',
  'call',
  'hash',
  'tenant',
  'app',
];
const value = fc.oneof(
  { weight: 4, arbitrary: edited(fc.constantFrom(...texts), pieces, 3) },
  {
    weight: 2,
    arbitrary: nearJson(names, ['recording', 'idle', 'start', 'stop', 1, 0, null, 'drained']).map((json) =>
      JSON.stringify(json),
    ),
  },
  { weight: 1, arbitrary: fc.anything({ maxDepth: 1 }) },
);

/** What it gives, or undefined: a fault of the store, which shows nothing of what is stored. */
function read<T>(parse: (text: unknown) => T, text: unknown): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (!isFault(error, 'Internal')) throw error;
    expect(messageOf(error)).toMatch(/^the store holds a malformed [a-z ]+$/);
    return undefined;
  }
}

const isCount = (number: unknown): boolean =>
  typeof number === 'number' && number >= 0 && Number.isFinite(number);

describe('whatever the store holds', () => {
  test('a call’s state is a fault, or one of the states with all its numbers', () => {
    let known = 0;
    fc.assert(
      fc.property(value, (text) => {
        const call = read(parseCallState, text);
        if (call === undefined) return;
        known += 1;
        expect(stateNames).toContain(call.state);
        expect([call.epoch, call.startedAt, call.wire?.forMs ?? 0, call.seq].every(isCount)).toBe(true);
        expect(JSON.parse(String(text))).toMatchObject({ state: call.state });
        if (call.binding !== null)
          expect([typeof call.binding.tenant, typeof call.binding.app]).toEqual(['string', 'string']);
        if (call.exchange !== null) expect(['start', 'stop']).toContain(call.exchange.kind);
      }),
      cases(),
    );
    expect(known).toBeGreaterThan(ofLongRun(50));
  });

  test('so is everything else', () => {
    fc.assert(
      fc.property(value, (text) => {
        const tally = read(parseTally, text);
        if (tally !== undefined)
          expect(
            [tally.admitted, tally.aborted, tally.unanswered, tally.refused, tally.bytes].every(isCount),
          ).toBe(true);
        const binding = read(parseBinding, text);
        if (binding !== undefined && binding !== null)
          expect([typeof binding.tenant, typeof binding.app]).toEqual(['string', 'string']);
        const record = read((json) => parseContent(['record', json]), text)?.record;
        if (record !== undefined)
          expect([record.call.length, isCount(record.seq), typeof record.hash]).toEqual([32, true, 'string']);
        const refused = read((json) => parseContent(['refusedWrites', json]), text)?.refusedWrites;
        if (refused !== undefined)
          expect([typeof refused.instance, isCount(refused.number)]).toEqual(['string', true]);
      }),
      cases(),
    );
  });

  test('a census is a fault, or counts the states that are kept', () => {
    const flat = fc.array(
      fc.oneof(fc.constantFrom(...stateNames, '1', '0', '-1', 'x', 5, null), fc.anything({ maxDepth: 1 })),
      { maxLength: 6 },
    );
    const reply = fc.oneof(
      flat,
      fc.dictionary(fc.constantFrom(...stateNames, 'x', '__proto__'), fc.constantFrom('1', '', '-1', 7)),
      fc.anything({ maxDepth: 1 }),
    );
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 3 }), (replies) => {
        const census = read(() => sumCensus(replies), replies);
        if (census === undefined) return;
        expect(Object.keys(census).sort()).toEqual([...keptStates].sort());
        expect(Object.values(census).every(isCount)).toBe(true);
      }),
      cases(),
    );
  });
});

test('whatever the address of the store, it is read or refused, and its password is not told', () => {
  const urls = [
    `redis://user:${secret}@store:6379/0`,
    `rediss+cluster://:${secret}@a:1,b:2`,
    `redis+sentinel://${secret}@[::1]:26379/master/3`,
  ];
  const more = [
    ':',
    '@',
    '/',
    '//',
    ',',
    '[',
    ']',
    '%',
    '%zz',
    '%2f',
    '?',
    '#',
    's',
    '+',
    ' ',
    '65536',
    '0',
    'redis://',
    '\n',
  ];
  let known = 0;
  fc.assert(
    fc.property(edited(fc.constantFrom(...urls), more, 3), (url) => {
      try {
        const target = parseRedisUrl(url);
        known += 1;
        for (const { host, port } of target.endpoints)
          expect([/^[\w.:-]+$/.test(host), port > 0 && port < 65536]).toEqual([true, true]);
      } catch (error) {
        if (!isFault(error, 'ConfigurationInvalid')) throw error;
        expect(messageOf(error)).not.toContain(secret);
      }
    }),
    cases(),
  );
  expect(known).toBeGreaterThan(ofLongRun(50));
});
