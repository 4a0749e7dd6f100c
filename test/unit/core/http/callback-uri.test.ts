import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { judgeCallbackUri } from '../../../../src/core/http/callback-uri.ts';

const at = {
  origin: 'https://proxy.example',
  isCallbackPath: (path: string) => /^\/api\/calling(?:\/|\?|$)/.test(path),
};

describe('the callbackUri of a body', () => {
  test.each([undefined, null, ''])('may be absent: %j', (value) => {
    expect(judgeCallbackUri(value, at)).toEqual({ kind: 'absent' });
  });

  test.each([
    'https://proxy.example/api/calling',
    'https://proxy.example:443/api/calling',
    'HTTPS://Proxy.Example/api/calling',
    'https://proxy.example:/api/calling',
    'https://proxy.example/api/calling/3?pod=7',
    'https://proxy.example/api/calling?x=/../',
    'https://proxy.example/api/calling#part',
  ])('%s leads to the proxy', (value) => {
    expect(judgeCallbackUri(value, at)).toEqual({ kind: 'proxied' });
  });

  test.each([
    ['https://bot.example/api/calling', 'bot.example', '/api/calling'],
    ['https://bot.example:9441/api/calling/3?pod=7&x=%2F', 'bot.example:9441', '/api/calling/3?pod=7&x=%2F'],
    ["https://Bot.Example/api/calling/{3}?x='y'", 'bot.example', "/api/calling/{3}?x='y'"],
    ['https://bot.example/api/calling#part', 'bot.example', '/api/calling'],
    ['http://proxy.example/api/calling', 'proxy.example', '/api/calling'],
    ['https://proxy.example:8443/api/calling', 'proxy.example:8443', '/api/calling'],
    ['http://proxy.example:443/api/calling', 'proxy.example:443', '/api/calling'],
    ['https://proxy.example./api/calling', 'proxy.example.', '/api/calling'],
    ['https://proxy.example.evil.example/api/calling', 'proxy.example.evil.example', '/api/calling'],
    ['https://[2001:DB8::1]:9441/api/calling', '[2001:db8::1]:9441', '/api/calling'],
    ['https://192.0.2.7/api/calling', '192.0.2.7', '/api/calling'],
  ])('%s goes past the proxy, which has its path', (value, host, path) => {
    const instead = `https://proxy.example${path}`;
    expect(judgeCallbackUri(value, at)).toEqual({ kind: 'bypasses', host, instead });
    expect(judgeCallbackUri(instead, at)).toEqual({ kind: 'proxied' });
  });

  test.each([
    ['https://bot.example', 'bot.example'],
    ['https://bot.example?/api/calling', 'bot.example'],
    ['https://bot.example/other', 'bot.example'],
    ['https://proxy.example', 'proxy.example'],
    ['https://proxy.example/api/callings', 'proxy.example'],
    ['https://proxy.example/API/calling', 'proxy.example'],
    ['https://proxy.example//api/calling', 'proxy.example'],
    ['https://proxy.example/api%2Fcalling', 'proxy.example'],
  ])('%s goes past the proxy, which has no such path', (value, host) => {
    expect(judgeCallbackUri(value, at)).toEqual({ kind: 'bypasses', host, instead: null });
  });

  test.each<unknown>([
    0,
    true,
    {},
    ['https://proxy.example/api/calling'],
    ' ',
    'x',
    '/api/calling',
    '//proxy.example/api/calling',
    'proxy.example/api/calling',
    'https:/proxy.example/api/calling',
    'https:proxy.example/api/calling',
    'https://',
    'https:///proxy.example/api/calling',
    'ftp://proxy.example/api/calling',
    'javascript://proxy.example/api/calling',
    ' https://proxy.example/api/calling',
    'https://proxy.example/api/calling\n',
    'https://proxy.example/api/cal\tling',
    'https://proxy.exa\tmple/api/calling',
    'https://proxy.example\\api\\calling',
    'https://proxy.example/api/calling\\..\\..\\x',
    'https://bot.example\\@proxy.example/api/calling',
    'https://user@proxy.example/api/calling',
    'https://user:secret@proxy.example/api/calling',
    'https://@proxy.example/api/calling',
    'https://proxy.example@bot.example/api/calling',
    'https://%70roxy.example/api/calling',
    'https://pr\u00f6xy.example/api/calling',
    'https://proxy\u3002example/api/calling',
    'https://proxy.example:99999/api/calling',
    'https://proxy.example:x/api/calling',
    'https://1.2.3.4.5/api/calling',
    'https://[::1/api/calling',
    'https://proxy.example/x/../api/calling',
    'https://proxy.example/api/calling/..',
    'https://proxy.example/api/%2e%2E/calling?x',
    'https://proxy.example/./api/calling',
    `https://${'a.'.repeat(200)}example/api/calling`,
    `https://proxy.example/api/calling?${'x'.repeat(9000)}`,
  ])('%j cannot be told', (value) => {
    expect(judgeCallbackUri(value, at)).toEqual({ kind: 'unreadable' });
  });

  test('is asked for with its path and query, as they are spelled', () => {
    const asked: string[] = [];
    const isCallbackPath = (path: string): boolean => asked.push(path) > 0;
    for (const rest of ['', '/', '?a', '/A%20b/c?d=E%2f#f', '#f'])
      judgeCallbackUri(`https://bot.example${rest}`, { ...at, isCallbackPath });
    expect(asked).toEqual(['/', '/', '/?a', '/A%20b/c?d=E%2f', '/']);
  });

  test('is compared with an origin in any spelling', () => {
    const spelled = { ...at, origin: 'HTTPS://PROXY.example:443/' };
    expect(judgeCallbackUri('https://proxy.example/api/calling', spelled)).toEqual({ kind: 'proxied' });
    expect(judgeCallbackUri('https://bot.example/api/calling', spelled)).toMatchObject({
      instead: 'https://proxy.example/api/calling',
    });
  });

  test('is proxied only if a URL parser finds the proxy in it, whatever it is', () => {
    const piece = fc.constantFrom(
      ...['https://', 'http://', 'proxy.example', 'bot.example', '/api/calling', '/', '\\', '@', ':', '443'],
      ...['..', '.', '%2e', '?', '#', ' ', '\t', '/x', '%', '[', ']'],
    );
    const spelled = fc.oneof(
      fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
      fc.array(piece, { maxLength: 5 }).map((pieces) => `https://proxy.example${pieces.join('')}`),
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc.anything(),
    );
    const seen = new Set<string>();
    fc.assert(
      fc.property(spelled, (value) => {
        const judged = judgeCallbackUri(value, at);
        seen.add(judged.kind);
        if (judged.kind === 'proxied') {
          const url = new URL(value as string);
          expect(url.origin).toBe('https://proxy.example');
          expect(at.isCallbackPath(url.pathname + url.search)).toBe(true);
          expect([url.username, url.password]).toEqual(['', '']);
        }
        if (judged.kind === 'bypasses' && judged.instead !== null)
          expect(judgeCallbackUri(judged.instead, at)).toEqual({ kind: 'proxied' });
      }),
      { numRuns: 2000 },
    );
    expect([...seen].sort()).toEqual(['absent', 'bypasses', 'proxied', 'unreadable']);
  });
});
