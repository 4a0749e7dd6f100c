import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { matchCallback } from '../../src/core/http/callback-route.ts';
import { identifyAction } from '../../src/core/graph/identify-action.ts';
import { actions } from '../../src/core/graph/action-table.ts';
import { matchRoute, parseMediaTarget } from '../../src/core/http/media-route.ts';
import { formatPath, parseRequestTarget, queryValues } from '../../src/core/http/request-target.ts';
import { formatTarget } from '../../src/core/http/route-path.ts';
import { cases, edited, ofLongRun } from './cases.ts';

const guid = '3c2f0a00-51c9-4f0e-9d0c-6a1f7e2b9d01';
const parsed = (target: string) => {
  const read = parseRequestTarget(target);
  return read.ok ? read.value : undefined;
};

/** Everything that a call or a route could be hidden behind. */
const pieces = [
  ...[
    '/',
    '//',
    '/./',
    '/../',
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '%2f',
    '%5C',
    '\\',
    '%25',
    '%252f',
    '%00',
    '%0d%0a',
  ],
  ...[
    ';',
    '%3b',
    '?',
    '%3F',
    '#',
    '%',
    '%u002f',
    '%C0%AF',
    '%e2%82%ac',
    '%ff',
    "('",
    "')",
    '(',
    ')',
    ',',
    '=',
  ],
  ...[
    guid,
    'updateRecordingStatus',
    'microsoft.graph.',
    'calls',
    '$batch',
    '$expand=operations',
    '&',
    '+',
    ' ',
  ],
];

/** The rows of the table with their ids filled in, spelled in one of the many ways. */
const letter = (char: string, how: number): string =>
  [char, char.toUpperCase(), char.toLowerCase(), `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`][
    how % 4
  ]!;
const spelled = fc
  .record({
    row: fc.constantFrom(...actions),
    version: fc.constantFrom('v1.0', 'beta', 'V1.0', 'BETA', 'v2.0'),
    id: fc.constantFrom(
      guid,
      guid.toUpperCase(),
      guid.replaceAll('-', ''),
      'x',
      '..',
      'updateRecordingStatus',
    ),
    hows: fc.array(fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(3)), {
      minLength: 1,
      maxLength: 8,
    }),
    keyed: fc.boolean(),
    long: fc.boolean(),
    app: fc.boolean(),
    slash: fc.constantFrom('/', '//', '/./'),
    query: fc.constantFrom('', '?a=b', '?$expand=operations', '?%24Expand=*', '?%20$expand=operations', '?x'),
  })
  .map(({ row, version, id, hows, keyed, long, app, slash, query }) => {
    const filled = row.template
      .replace(/\/\{\w+\}/g, keyed ? `('${id}')` : `/${id}`)
      .replace(/\((\w+),(\w+)\)$/, '($1=2020-01-01,$2=2020-01-02)')
      .replace(/([^/]+)$/, (last) =>
        long && row.namespace !== undefined ? `${row.namespace}.${last}` : last,
      )
      .replace(/^communications/, app ? 'app' : 'communications');
    let at = 0;
    const twisted = filled.replace(/[a-z]/gi, (char) => letter(char, hows[at++ % hows.length]!));
    return `/${version}/${twisted}`.replaceAll('/', slash) + query;
  });

const target = fc.oneof(
  { weight: 3, arbitrary: spelled },
  { weight: 4, arbitrary: edited(spelled, pieces) },
  {
    weight: 2,
    arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => `/${parts.join('')}`),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
);

describe('whatever a request target is', () => {
  test('what is read of it is written so that it is read the same, by anybody', () => {
    let read = 0;
    fc.assert(
      fc.property(target, (text) => {
        const first = parsed(text);
        if (first === undefined) return;
        read += 1;
        const written = formatTarget(first);
        expect(parsed(written)).toEqual(first);
        expect(formatTarget(parsed(written)!)).toBe(written);
        const path = formatPath(first.segments);
        expect(new URL(`http://upstream${path}`).pathname).toBe(path);
        // A server that decodes before it splits, and one that decodes twice, find the same segments.
        const decoded = decodeURIComponent(path).slice(1);
        expect(decoded === '' ? [] : decoded.split('/')).toEqual(first.segments);
        expect(decoded).not.toMatch(/%[0-9a-f]{2}/i);
      }),
      cases(),
    );
    expect(read).toBeGreaterThan(ofLongRun(100));
  });

  test('an action that it is taken for is the one that Graph is sent', () => {
    let known = 0;
    fc.assert(
      fc.property(target, (text) => {
        const first = parsed(text);
        for (const verb of first === undefined ? [] : ['GET', 'POST', 'PATCH', 'DELETE', 'PUT', 'get']) {
          const action = identifyAction(verb, first!);
          if (!action.ok) continue;
          known += 1;
          const { path, ...told } = action.value;
          const again = identifyAction(verb, parsed(path)!);
          expect(again).toEqual({ ok: true, value: { ...told, path } });
          // Whatever is sent under the name of a status change is judged as one.
          const [sentPath = ''] = path.split('?');
          const name = /([^/.]+)$/.exec(sentPath)?.[1]?.toLowerCase();
          expect(verb === 'POST' && name === 'updaterecordingstatus').toBe(
            told.row.effect === 'recordingStatus',
          );
          expect(sentPath).not.toMatch(/\$batch/i);
          // The call that is judged is the one that is named.
          const named = /\/calls\/([0-9a-f-]{32,36})(?:\/|$)/i.exec(sentPath)?.[1];
          expect(told.call).toBe(named?.replaceAll('-', '').toLowerCase());
        }
      }),
      cases(),
    );
    expect(known).toBeGreaterThan(ofLongRun(100));
  });

  test('a media route or a callback path that it has is the one that is sent', () => {
    const media = [
      { path: '/media/{callId}/*', upstream: '', methods: ['POST'], reads: 'pass' },
      { path: '/q/*', upstream: '', methods: ['POST'], reads: 'pass', callId: { query: 'call' } },
    ] as const;
    const callbacks = [{ path: '/{pod}/api/calling/*', upstream: '' }];
    const routed = edited(
      fc.constantFrom(`/media/${guid}/x`, `/q/x?call=${guid}`, '/pod/api/calling/x?a=b'),
      pieces,
      3,
    );
    let matched = 0;
    fc.assert(
      fc.property(routed, (text) => {
        const first = parsed(text);
        if (first === undefined) return;
        const match = matchRoute(media, first, () => undefined);
        if (match?.ok === true) {
          matched += 1;
          expect(matchRoute(media, parsed(match.value.path)!, () => undefined)).toEqual(match);
        }
        const callback = matchCallback(callbacks, first);
        if (callback !== undefined) {
          matched += 1;
          expect(matchCallback(callbacks, parsed(callback.path)!)).toEqual(callback);
        }
      }),
      cases(),
    );
    expect(matched).toBeGreaterThan(ofLongRun(100));
  });

  test('a name with an encoded slash is one segment, byte for byte, which nobody reads as another folder', () => {
    const routes = [
      { path: '/media/{callId}/*', upstream: '', methods: ['POST'], reads: 'pass', encodedSlash: 'keep' },
      { path: '/strict/{callId}/*', upstream: '', methods: ['POST'], reads: 'pass' },
    ] as const;
    const names = edited(
      fc.constantFrom(
        `/media/${guid}/2026%2Fseg-1`,
        `/media/${guid}/a%2fb/c%2Fd%20e?x=%2F`,
        `/strict/${guid}/a%2Fb`,
        `/media%2F${guid}/a`,
      ),
      pieces,
      3,
    );
    let kept = 0;
    fc.assert(
      fc.property(names, (text) => {
        const read = parseMediaTarget(routes, text);
        if (!read.ok) return;
        const match = matchRoute(routes, read.value, () => undefined);
        if (match?.ok !== true) return;
        const [path = ''] = match.value.path.split('?');
        // What was judged is judged the same again.
        const again = parseMediaTarget(routes, match.value.path);
        expect(again.ok && matchRoute(routes, again.value, () => undefined)).toEqual(match);
        expect(new URL(`http://upstream${path}`).pathname).toBe(path);
        if (!/%2f/i.test(path)) return;
        kept += 1;
        expect(match.value.route.path).toBe('/media/{callId}/*');
        for (const segment of path.split('/')) if (/%2f/i.test(segment)) expect(text).toContain(segment);
        // A server that decodes before it splits, and then tidies up, stays in the folder of the call.
        const decoded = decodeURIComponent(path);
        expect(decoded).not.toMatch(/%[0-9a-f]{2}/i);
        const [, root, call, ...rest] = decoded.split('/');
        expect([root, call?.toLowerCase().replaceAll('-', '')]).toEqual(['media', guid.replaceAll('-', '')]);
        expect(rest[0]).not.toBe('');
        for (const part of rest) expect(part).not.toMatch(/^\.{1,2}$|\\/);
      }),
      cases(),
    );
    expect(kept).toBeGreaterThan(ofLongRun(50));
  });

  test('a query parameter is found however its name is spelled', () => {
    const name = fc.constantFrom(
      '$expand',
      'expand',
      '$Expand',
      '%24expand',
      ' $expand',
      '$expand\t',
      '$eXpand',
    );
    const hidden = name.map((text) => text.replace(' ', '%20').replace('\t', '%09'));
    const other = fc.constantFrom('a=b', '', '=', '&', 'expanded=x', '%', '%zz=1', '+', 'x=$expand=y');
    fc.assert(
      fc.property(
        fc.array(other, { maxLength: 4 }),
        hidden,
        fc.array(other, { maxLength: 4 }),
        (before, it, after) => {
          expect(queryValues([...before, `${it}=secret`, ...after].join('&'), 'expand')).toEqual(['secret']);
        },
      ),
      cases(),
    );
  });
});
