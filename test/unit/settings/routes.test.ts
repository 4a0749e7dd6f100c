import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { ProxySettings } from '../../../src/settings/settings.ts';
import { complaint, load, route } from '../../support/settings.ts';

describe('media routes', () => {
  const routes = (...given: object[]): ProxySettings['mediaRoutes'] =>
    load({ TALLYLIGHT_MEDIA_ROUTES: given }).mediaRoutes;

  test('write with the four methods and are read freely, unless they say otherwise', () => {
    expect(routes(route)).toEqual([{ ...route, methods: ['POST', 'PUT', 'PATCH', 'DELETE'], reads: 'pass' }]);
    const said = {
      ...route,
      methods: ['PUT', 'MOVE'],
      reads: 'refuse',
      websocket: true,
      encodedSlash: 'keep',
      token: 'Tallylight-Authorization',
      host: 'keep',
    };
    expect(routes(said)).toEqual([said]);
  });

  test.each(['/discard', '/v1/writes:discard', 'https://store.example/discard'])(
    'may have writes discarded at %s',
    (discard) => {
      expect(routes({ ...route, discard })).toMatchObject([{ discard }]);
    },
  );

  test('find the call id in the path, a header or a query parameter', () => {
    const given = [
      { ...route, path: '/a/{callId}' },
      { ...route, path: '/b/*', callId: { header: 'X-Call' } },
      { ...route, path: '/c', callId: { query: 'call' }, upstream: 'https://store.example/base' },
    ];
    expect(routes(...given)).toMatchObject(given);
  });

  test.each([
    ['media/{callId}', 'must begin with "/"'],
    ['/{callId}/*', 'must begin with a literal segment'],
    ['/*', 'must begin with a literal segment'],
    ['/', 'must have plain segments'],
    ['/media//{callId}', 'must have plain segments'],
    ['/media/{callId}/', 'must have plain segments'],
    ['/media/*/{callId}', 'must have plain segments'],
    ['/media/x{callId}', 'must have plain segments'],
    ['/media/{call}', 'must have plain segments'],
    ['/media/%2e/{callId}', 'must have plain segments'],
    ['/media/{callId}?x', 'must have plain segments'],
    ['/media/../{callId}', 'must have no dot segments'],
    ['/media/./{callId}', 'must have no dot segments'],
    ['/media/{callId}/{callId}', 'must contain {callId} only once'],
    ['/v1.0/{callId}', 'must not begin with /v1.0, /beta or /app'],
    ['/BETA/{callId}', 'must not begin with /v1.0, /beta or /app'],
    ['/app/{callId}', 'must not begin with /v1.0, /beta or /app'],
    ['/media', 'must have a segment {callId}, unless "callId" names a header'],
  ])('must not have the path %s', (path, expected) => {
    expect(complaint({ TALLYLIGHT_MEDIA_ROUTES: [{ ...route, path }] })).toContain(
      `TALLYLIGHT_MEDIA_ROUTES[0].path ${expected}`,
    );
  });

  test.each<[string, object, string]>([
    [
      'a call id in two places',
      { callId: { header: 'x' } },
      '.callId must be omitted: the path already has {callId}',
    ],
    [
      'a call id in a header and a query',
      { path: '/a', callId: { header: 'x', query: 'y' } },
      '.callId must be either',
    ],
    [
      'a header that is no name',
      { path: '/a', callId: { header: 'x y' } },
      '.callId.header must be the name of a header field',
    ],
    [
      'a read among the writes',
      { methods: ['POST', 'GET'] },
      '.methods[1] must be a writing method in upper case',
    ],
    [
      'encoded slashes where no name follows',
      { path: '/a/{callId}', encodedSlash: 'keep' },
      '.encodedSlash must be omitted: an encoded slash is allowed only',
    ],
    ['a tunnel', { methods: ['CONNECT'] }, '.methods[0] must be a writing method'],
    ['a method in small letters', { methods: ['post'] }, '.methods[0] must be a writing method'],
    [
      'a handler with a query',
      { upstream: 'http://store/?a' },
      '.upstream must be an http or https URL without a query',
    ],
    ['a handler that is no URL', { upstream: 'store:9000' }, '.upstream must be an http or https URL'],
    ...[
      'discard',
      '//other/discard',
      '/a/../b',
      '/discard?a',
      '/{callId}',
      'ftp://store/discard',
      'http://u:p@store/',
      '',
    ].map((discard): [string, object, string] => [
      `"${discard}" as the place to discard writes`,
      { discard },
      '.discard must be a path on the handler',
    ]),
    ['a WebSocket that is neither', { websocket: 'yes' }, '.websocket '],
    [
      'a token in another header',
      { token: 'X-Token' },
      '.token must be "Authorization" or "Tallylight-Authorization"',
    ],
    ['a token header in other letters', { token: 'tallylight-authorization' }, '.token must be'],
    ['a host of its own', { host: 'store.example' }, '.host must be "upstream" or "keep"'],
    ['other reads', { reads: 'asRouted' }, '.reads must be "pass" or "whileRecording" or "refuse"'],
  ])('must not have %s', (_name, changes, expected) => {
    expect(complaint({ TALLYLIGHT_MEDIA_ROUTES: [{ ...route, ...changes }] })).toContain(
      `TALLYLIGHT_MEDIA_ROUTES[0]${expected}`,
    );
  });

  test.each(['media-routes', 'websockets', 'handler', 'storage'])(
    'are as the examples of %s.md show them',
    (page) => {
      const text = readFileSync(new URL(`../../../docs/bots/${page}.md`, import.meta.url), 'utf8');
      const examples = [...text.matchAll(/```json\n(.*?)```/gs)].map(
        ([, json = '']) => JSON.parse(json) as object,
      );
      expect(examples).not.toEqual([]);
      for (const example of examples) expect(routes(example)).toMatchObject([example]);
    },
  );

  test('must not share a path', () => {
    expect(complaint({ TALLYLIGHT_MEDIA_ROUTES: [route, { ...route, upstream: 'http://other' }] })).toContain(
      'TALLYLIGHT_MEDIA_ROUTES[1].path is also the path of entry 0',
    );
  });
});
