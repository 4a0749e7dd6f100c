import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { matchCallback } from '../../src/core/http/callback-route.ts';
import { judgeCallbackUri, type CallbackTarget } from '../../src/core/http/callback-uri.ts';
import { parseRequestTarget } from '../../src/core/http/request-target.ts';
import { cases, edited, nearJson, ofLongRun } from './cases.ts';

const routes = [{ path: '/{pod}/api/calling/*', upstream: '' }];
const at: CallbackTarget = {
  origin: 'https://tallylight.example',
  isCallbackPath(path) {
    const target = parseRequestTarget(path);
    return target.ok && matchCallback(routes, target.value) !== undefined;
  },
};
const given = [
  'https://tallylight.example/pod/api/calling/x?y=z',
  'https://tallylight.example:443/pod/api/calling',
  'HTTPS://TALLYLIGHT.EXAMPLE/pod/api/calling',
  'https://bot.example:9441/pod/api/calling/x',
  'http://[::1]:80/pod/api/calling',
];
const pieces = [
  ...[
    '/',
    '//',
    '\\',
    '..',
    '/../',
    '%2e%2e',
    '%2f',
    '%5c',
    '@',
    ':',
    ':443',
    ':0',
    '#',
    '?',
    '.',
    'evil.example',
    '\t',
    '\n',
    ' ',
  ],
  ...[
    'https://',
    'http:',
    'file://',
    '[',
    ']',
    '%00',
    'xn--',
    '\u3002',
    '\uff0f',
    'tallylight.example',
    '0x7f.1',
    ';',
    '&',
  ],
];

test('whatever a callbackUri is, it is the proxy’s only if every reader sends it there, as it was judged', () => {
  const counts: Record<string, number> = {};
  fc.assert(
    fc.property(edited(fc.constantFrom(...given), pieces, 3), (text) => {
      const judged = judgeCallbackUri(text, at);
      counts[judged.kind] = (counts[judged.kind] ?? 0) + 1;
      if (judged.kind === 'proxied') {
        const url = new URL(text);
        expect([url.origin, url.username, url.password]).toEqual([at.origin, '', '']);
        // No reader has changed the path while it read it.
        expect(text.replace(/^https:\/\/[^/?#]+/i, '').replace(/#.*/, '')).toBe(url.pathname + url.search);
        expect(at.isCallbackPath(url.pathname + url.search)).toBe(true);
      }
      if (judged.kind !== 'bypasses' || judged.instead === null) return;
      expect(judgeCallbackUri(judged.instead, at)).toEqual({ kind: 'proxied' });
      expect(judged.host).toBe(new URL(text).host);
      expect(`${judged.host}/`).not.toMatch(/[\s@\\]/);
    }),
    cases(),
  );
  expect(Object.keys(counts)).toEqual(expect.arrayContaining(['bypasses', 'unreadable']));
  expect(counts.proxied).toBeGreaterThan(ofLongRun(20));
});

test('whatever JSON it is, it is judged without a fault', () => {
  fc.assert(
    fc.property(nearJson(['toString', 'length', 'callbackUri'], given), (value) => {
      const { kind } = judgeCallbackUri(value, at);
      if (typeof value !== 'string') expect(kind).toBe(value === null ? 'absent' : 'unreadable');
    }),
    cases(),
  );
});
