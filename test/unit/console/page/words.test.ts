import { describe, expect, test } from '@jest/globals';
import type { EvidenceRecord } from '../../../../src/core/call/evidence.ts';
import { transitions } from '../../../../src/core/call/state.ts';
import { sentenceOf } from '../../../../src/console/page/records.ts';
import { fragmentOf, routeOf } from '../../../../src/console/page/route.ts';
import { duration, roughly, size } from '../../../../src/console/page/words.ts';

describe('words', () => {
  test.each([
    [-5, '0 s', '0 s'],
    [999, '0 s', '0 s'],
    [59_999, '59 s', '59 s'],
    [62_000, '1 min 02 s', '1 min'],
    [3_660_000, '1 h 01 min', '1 h'],
    [90_000_000, '1 d 1 h', '1 d'],
  ])('%d ms are %s, roughly %s', (ms, exact, rough) => {
    expect([duration(ms), roughly(ms)]).toEqual([exact, rough]);
  });

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [12_345, '12.3 kB'],
    [999_600, '1.00 MB'],
    [1.5e15, '1.50 PB'],
    [1.5e18, '1500 PB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(size(bytes)).toBe(text);
  });
});

describe('an address', () => {
  test.each([
    ['', { kind: 'wall', view: 'air' }],
    ['#/ended', { kind: 'wall', view: 'ended' }],
    ['#/holds', { kind: 'holds' }],
    [
      '#/call/57DAB8B1-894C-409A-B240-BD8BEAE78896',
      { kind: 'call', id: '57dab8b1-894c-409a-b240-bd8beae78896' },
    ],
    ['#/call/<script>', { kind: 'wall', view: 'air' }],
    ['#/__proto__', { kind: 'wall', view: 'air' }],
  ])('%j leads to %j', (fragment, route) => {
    expect(routeOf(fragment)).toEqual(route);
  });

  test.each(['#/air', '#/holds', '#/call/57dab8b1-894c-409a-b240-bd8beae78896'])('%s is kept', (fragment) => {
    expect(fragmentOf(routeOf(fragment))).toBe(fragment);
  });
});

const record = (event: string, detail: object): EvidenceRecord =>
  ({ event, detail, by: null, enforced: true }) as unknown as EvidenceRecord;

describe('a record in words', () => {
  test.each(Object.keys(transitions))('%s is a sentence, whatever its details are', (event) => {
    for (const detail of [
      {},
      { cause: {}, kind: 3, showing: 'x', writes: null, refused: [], state: {}, operator: 'x' },
    ])
      expect(sentenceOf(record(event, detail)).text).toMatch(/^[A-Z].*\.$/);
  });

  test('an event of a later version is named', () => {
    expect(sentenceOf(record('somethingNew', {}))).toEqual({ text: 'somethingNew', more: [] });
  });

  test('a stop by hand says who and why', () => {
    const detail = {
      cause: 'operator',
      operator: { issuer: 'idp', subject: 'olga' },
      operatorReason: 'asked',
    };
    expect(sentenceOf(record('stopRequested', detail))).toEqual({
      text: 'An operator closed the call by hand.',
      more: ['The gate closed; writes in progress end.', 'By olga, of idp', 'Reason: asked'],
    });
  });

  test('an interval is told with what was admitted and what was not', () => {
    const writes = { admitted: 2, aborted: 1, unanswered: 0, refused: 3, bytes: 1500 };
    expect(sentenceOf(record('drained', { writes })).more).toEqual([
      '2 writes admitted, 1.50 kB',
      '1 write aborted',
      '3 writes refused',
    ]);
  });

  test('what was not enforced says so', () => {
    const observed = { ...record('writesRefused', {}), enforced: false } as unknown as EvidenceRecord;
    expect(sentenceOf(observed).more).toContain('Not enforced');
  });
});
