import { expect, test } from '@jest/globals';
import { consoleText } from '../../../src/cli/console-text.ts';

const hold = {
  id: '4943067e-04e3-4b77-af26-9f9912ec786f',
  number: 2,
  scope: { all: true },
  reason: 'incident 7',
  by: { issuer: 'local', subject: 'local' },
  at: '2026-01-31T12:00:00.000Z',
};

test('a hold stands since its time, and is released at it', () => {
  expect(consoleText('holds', { holds: [hold] })).toContain('since 2026-01-31T12:00:00.000Z');
  const released = consoleText('release', { hold, acknowledged: true });
  expect(released).toContain('at 2026-01-31T12:00:00.000Z');
  expect(released).not.toContain('since');
});

test('no call is said in words, and no heading stands over nothing', () => {
  expect(consoleText('calls', { calls: [], next: null, asOf: '2026-01-31T12:00:00.000Z' })).toBe(
    'No call is listed.\nas of 2026-01-31T12:00:00.000Z\n',
  );
});

test('lists of words are shown as words, and what is not text cannot act on a terminal', () => {
  const text = consoleText('call', {
    attention: ['held', 'silent'],
    holders: [],
    applicationInstance: '\u001b[2J',
    names: ['\u001b[2J'],
    evidence: [],
  });
  expect(text).toMatch(/^attention +held, silent$/m);
  expect(text).toMatch(/^holders +-$/m);
  expect(text).not.toContain('\u001b');
});
