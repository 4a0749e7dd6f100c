import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { matchCallback } from '../../src/core/http/callback-route.ts';
import { identifyAction } from '../../src/core/graph/identify-action.ts';
import { matchRoute } from '../../src/core/http/media-route.ts';
import { parseRequestTarget } from '../../src/core/http/request-target.ts';
import { sendRaw } from '../support/raw-http.ts';
import {
  attack,
  expectForwarded,
  expectRefused,
  head,
  planeNames,
  startPlace,
  type Place,
  type Plane,
} from './place.ts';

let place: Place;
beforeAll(async () => {
  place = await startPlace();
});
afterAll(async () => {
  await place.close();
});

let count = 0;
const post = (plane: Plane, target: string): string =>
  head(`POST ${target} HTTP/1.1`, [...plane.lines, `Content-Length: ${plane.body.length}`]) + plane.body;
const requestFor =
  (method: string) =>
  (plane: Plane, target: string): string =>
    head(`${method} ${target} HTTP/1.1`, plane.lines);

describe.each(planeNames)('on the plane of %s', (name) => {
  /** The same target with something in front of its query. */
  const ending = (target: string, end: string): string => target.replace(/(\?|$)/, `${end}$1`);

  test.each<[string, (target: string) => string]>([
    ['in absolute form', (target) => `http://graph.microsoft.com${target}`],
    ['in absolute form, for the proxy', (target) => `${place.url}${target}`],
    ['in absolute form, with a user', (target) => `http://proxy@evil.example${target}`],
    ['in absolute form, with a broken address', (target) => `http://[::1${target}`],
    ['in absolute form, with a port that is none', (target) => `http://a:99999999${target}`],
    ['in absolute form, with a broken host', (target) => `http://%${target}`],
    ['in absolute form, of another scheme', (target) => `file://${target}`],
    ['in authority form', () => 'graph.microsoft.com:443'],
    ['in asterisk form', () => '*'],
    ['without its slash', (target) => target.slice(1)],
    ['that climbs', (target) => ending(target, '/..')],
    ['that climbs over nothing', (target) => `/x/..${target}`],
    ['that climbs, encoded', (target) => `/x/%2e%2e${target}`],
    ['that climbs, half encoded', (target) => `/x/.%2E${target}`],
    ['that climbs, encoded twice', (target) => `/x/%252e%252e${target}`],
    ['that climbs in overlong UTF-8', (target) => `/x/%c0%ae%c0%ae${target}`],
    ['that climbs with parameters', (target) => `/x/..;a=b${target}`],
    ['that climbs with a backslash', (target) => `/x\\..${target}`],
    ['that climbs with an encoded backslash', (target) => `/x%5c..${target}`],
    ['with an encoded slash', (target) => ending(target, '%2fx')],
    ['with an encoded slash in capitals', (target) => ending(target, '%2Fx')],
    ['with an encoded backslash', (target) => ending(target, '%5Cx')],
    ['with an overlong slash', (target) => ending(target, '%c0%afx')],
    ['with a slash in three bytes', (target) => ending(target, '%e0%80%afx')],
    ['with a parameter', (target) => ending(target, ';x=y')],
    ['with an encoded semicolon', (target) => ending(target, '%3bx')],
    ['with matrix parameters within', (target) => target.replace(/\/(\w+)/, '/$1;a=b')],
    ['with an encoded question mark', (target) => ending(target, '%3fx')],
    ['with a fragment', (target) => `${target}#x`],
    ['with an encoded fragment', (target) => ending(target, '%23x')],
    ['with an encoded NUL', (target) => ending(target, '%00.txt')],
    ['with an encoded line break', (target) => ending(target, '%0d%0aX:%20y')],
    ['with an encoded DEL', (target) => ending(target, '%7f')],
    ['with an escape of another kind', (target) => ending(target, '%u002f')],
    ['with half a percent sign', (target) => ending(target, '%2')],
    ['with a percent sign encoded twice', (target) => ending(target, '%2541')],
    ['with a surrogate', (target) => ending(target, '%ed%a0%80')],
    ['with raw bytes beyond ASCII', (target) => ending(target, '\xe2\x80\xa6')],
  ])('a target %s is refused', async (_what, twist) => {
    const plane = place.planes[name];
    const outcome = await attack(place.url, plane, post(plane, twist(plane.target(`bad${++count}`))));
    expectRefused(outcome);
    // What cannot be read is refused by the control plane, where the token of a notification is none.
    const reasons = name === 'notification' ? ['TargetInvalid', 'TokenInvalid'] : ['TargetInvalid'];
    expect(reasons).toContain(outcome.answers[0]?.headers['tallylight-reason']);
  });

  test.each<[string, (target: string) => string]>([
    ['with double slashes', (target) => target.replaceAll('/', '//')],
    ['with many slashes in front', (target) => `/////${target}`],
    ['with dots', (target) => target.replaceAll('/', '/./')],
    ['with encoded dots', (target) => target.replaceAll('/', '/%2E/')],
    ['with encoded letters', (target) => target.replaceAll('a', '%61').replace('%61', 'a')],
  ])('a target %s goes on as the plain one', async (_what, twist) => {
    const plane = place.planes[name];
    const target = plane.target(`plain${++count}`);
    // The query goes on as it came.
    const [path = '', query] = target.split('?');
    const twisted = twist(path) + (query === undefined ? '' : `?${query}`);
    expectForwarded(await attack(place.url, plane, post(plane, twisted)), { target, body: plane.body });
  });

  test.each(['CONNECT', 'TRACE', 'OPTIONS'])('the method %s reaches nothing by it', async (method) => {
    const plane = place.planes[name];
    const { answers, heard } = await attack(
      place.url,
      plane,
      requestFor(method)(plane, plane.target(`m${++count}`)),
    );
    if (name === 'media' && method === 'OPTIONS') {
      expect(heard.map((one) => one.method)).toEqual(['OPTIONS']);
      return;
    }
    expectRefused({ answers, heard });
    expect([405, 501]).toContain(answers[0]?.status);
  });
});

describe('an encoded slash in a name, on a route that keeps it', () => {
  const ask = (target: string): ReturnType<typeof attack> =>
    attack(place.url, place.planes.media, post(place.planes.media, target));

  test.each(['2026-01-01%2Fseg-1.wav', 'a%2fb%20c%2F%2Fd%2F', '%61%2Fb/c%2Fd?comp=block&blockid=YQ%3D%3D'])(
    'reaches the handler byte for byte: %s',
    async (name) => {
      expectForwarded(await ask(`/names/${place.call}/${name}`), {
        target: `/base/names/${place.call}/${name}`,
        body: place.planes.media.body,
      });
    },
  );

  test.each([
    '..%2Fx',
    'a%2F..%2F..%2Fx',
    'a%2F%2e%2e%2Fx',
    'a%2F.%2e',
    '%2Fetc%2Fpasswd',
    'a%252Fx',
    'a%2Fb%252e%252e%2Fx',
    'a%2F..%5Cx',
    'a%5Cx',
    'a%2Fx%00',
    'a%2Fx;y',
    'a%2F%c0%af',
  ])('climbs nowhere: %s', async (name) => {
    const outcome = await ask(`/names/${place.call}/${name}`);
    expectRefused(outcome);
    expect(outcome.answers[0]?.headers['tallylight-reason']).toBe('TargetInvalid');
  });

  test('is no part of a call id, and none of another route', async () => {
    for (const target of [
      `/names%2F${place.call}/x`,
      `/names/${place.call}%2Fx`,
      `/names/x%2F${place.call}/y`,
      `/media/${place.call}/a%2Fx`,
      `/v1.0/communications/calls/${place.call}%2FupdateRecordingStatus`,
    ])
      expectRefused(await ask(target));
  });
});

describe('letters that look like others', () => {
  test.each<[string, string, string]>([
    ['a fullwidth slash', '\uff0f', '%EF%BC%8F'],
    ['a fullwidth dot pair', '\uff0e\uff0e', '%EF%BC%8E%EF%BC%8E'],
    ['a division slash', '\u2215', '%E2%88%95'],
    ['a one dot leader pair', '\u2024\u2024', '%E2%80%A4%E2%80%A4'],
    ['a Greek question mark', '\u037e', '%CD%BE'],
    ['a fullwidth percent', '\uff052f', '%EF%BC%852f'],
    ['a letter with a combining mark', 'e\u0301', 'e%CC%81'],
  ])('%s is a letter, before and behind the proxy', async (_what, letters, encoded) => {
    const plane = place.planes.media;
    const target = `/media/${place.call}/a${encodeURIComponent(letters)}b${++count}`;
    expectForwarded(await attack(place.url, plane, post(plane, target)), {
      target: `/media/${place.call}/a${encoded}b${count}`,
      body: plane.body,
    });
  });

  test.each<[string, string]>([
    ['a dotless i', 'updateRecordıngStatus'],
    ['a long s', 'updateRecordingſtatus'],
    ['a Cyrillic c', 'updateReсordingStatus'],
    ['a Kelvin sign', 'cancelMediaProcessing/../\u212aeepAlive'],
    ['a zero-width space', 'updateRecording\u200bStatus'],
    ['a soft hyphen', 'updateRecording\u00adStatus'],
  ])('%s makes no action', async (_what, action) => {
    const plane = place.planes.status;
    const path = action.split('/').map(encodeURIComponent).join('/');
    expectRefused(
      await attack(
        place.url,
        plane,
        post(plane, `/v1.0/communications/calls/${place.call}/${path}?${++count}`),
      ),
    );
  });

  test('a call id with other digits is none', async () => {
    const plane = place.planes.media;
    const call = encodeURIComponent(
      place.call.replace(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit))),
    );
    expectRefused(await attack(place.url, plane, post(plane, `/media/${call}/x`)));
  });
});

/** What path and query may be made of. */
const piece = fc.oneof(
  fc.constantFrom(
    '/',
    '//',
    '/./',
    '.',
    '..',
    '...',
    '%2e',
    '%2E%2e',
    '%2f',
    '%5C',
    '\\',
    '%25',
    '%252f',
    '%00',
    '%0a',
  ),
  fc.constantFrom(
    ';',
    '%3b',
    '%3F',
    '#',
    '%',
    '%u002f',
    '%C0%AF',
    '%e2%82%ac',
    '%ff',
    '~',
    '!',
    "('x')",
    '$',
    '@',
    ':',
    '+',
  ),
  fc.constantFrom(
    'a',
    'B',
    '%61',
    '%2B',
    '%20',
    '&',
    '=',
    '*',
    ',',
    '"',
    '<',
    '|',
    '^',
    '`',
    '{',
    '%7e',
    '%EF%BC%8F',
  ),
);
const pieces = (most: number): fc.Arbitrary<string> =>
  fc.array(piece, { maxLength: most }).map((parts) => parts.join(''));
/** No question mark of its own before the query. */
const path = pieces(6);
const query = fc.option(
  pieces(6).map((text) => text.replaceAll('#', '')),
  { nil: undefined },
);
const withQuery = (target: string, more: string | undefined): string =>
  more === undefined ? target : `${target}${target.includes('?') ? '&' : '?'}${more}`;

interface Way {
  readonly plane: 'media' | 'signalling' | 'notification';
  readonly around: (text: string) => string;
  /** What the proxy judged, as something to compare; undefined: it would be refused. */
  readonly judge: (target: string) => unknown;
  /** What the upstream's own path has in front. */
  readonly base?: string;
}

const routes = [
  { path: '/media/{callId}/*', upstream: '', methods: ['POST'], reads: 'pass' },
  { path: '/below/{callId}/*', upstream: '', methods: ['POST'], reads: 'pass' },
  { path: '/by-query/*', upstream: '', methods: ['POST'], reads: 'pass', callId: { query: 'call' } },
] as const;

const parsed = (target: string) => {
  const read = parseRequestTarget(target);
  return read.ok ? read.value : undefined;
};
const judgeMedia = (target: string): unknown => {
  const read = parsed(target);
  const match = read && matchRoute(routes, read, () => undefined);
  return match?.ok === true ? { ...read, route: match.value.route.path, call: match.value.call } : undefined;
};

const ways: readonly (readonly [string, () => Way])[] = [
  [
    'a media route',
    () => ({ plane: 'media', around: (text) => `/media/${place.call}/${text}`, judge: judgeMedia }),
  ],
  [
    'a media route below a path of its upstream',
    () => ({
      plane: 'media',
      around: (text) => `/below/${place.call}/${text}`,
      judge: judgeMedia,
      base: '/base/v2',
    }),
  ],
  [
    'a media route with the call in its query',
    () => ({ plane: 'media', around: (text) => `/by-query/${text}?call=${place.call}`, judge: judgeMedia }),
  ],
  [
    'a callback path',
    () => ({
      plane: 'notification',
      around: (text) => `/callbacks/${text}`,
      judge: (target) => {
        const read = parsed(target);
        return read && matchCallback([{ path: '/callbacks/*', upstream: '' }], read) && read;
      },
    }),
  ],
  [
    'an action of Graph',
    () => ({
      plane: 'signalling',
      around: (text) => `/v1.0/communications/calls/${place.call}/${text}playPrompt`,
      judge: (target) => {
        const read = parsed(target);
        const action = read && identifyAction('POST', read);
        if (action?.ok !== true) return undefined;
        const { row, call, version, path: spelled } = action.value;
        return { template: row.template, effect: row.effect, call, version, spelled };
      },
    }),
  ],
];

describe('whatever the target of a request', () => {
  test.each(ways)('by %s, its upstream sees what was judged, or nothing', async (_what, way) => {
    const { plane: name, around, judge, base = '' } = way();
    const plane = place.planes[name];
    let passed = 0;
    await fc.assert(
      fc.asyncProperty(path, query, async (text, more) => {
        const target = withQuery(around(text), more);
        const before = plane.upstream.heard.length;
        const answer = await sendRaw(place.url, post(plane, target));
        const heard = plane.upstream.heard.slice(before);
        const judged = judge(target);
        if (judged === undefined) {
          expect(heard).toEqual([]);
          expect([400, 401, 403]).toContain(answer?.status);
          return;
        }
        passed += 1;
        expect(heard).toHaveLength(1);
        const reached = heard[0]?.target ?? '';
        expect(reached.startsWith(base)).toBe(true);
        expect(judge(reached.slice(base.length))).toEqual(judged);
        // Nobody who reads it in another way, or once more, finds another path.
        const [sentPath = ''] = reached.split('?');
        expect(new URL(`http://upstream${reached}`).pathname).toBe(sentPath);
        expect(decodeURIComponent(sentPath).split('/')).toHaveLength(sentPath.split('/').length);
        expect(decodeURIComponent(sentPath)).not.toMatch(/[\\;?#]|\/\.{1,2}(?:\/|$)/);
      }),
      { numRuns: 250 },
    );
    expect(passed).toBeGreaterThan(10);
  });
});
