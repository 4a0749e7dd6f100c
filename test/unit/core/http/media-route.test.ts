import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseCallKey } from '../../../../src/core/call/key.ts';
import { grant, type Decision } from '../../../../src/core/decision.ts';
import {
  defaultWriteMethods,
  matchRoute,
  parseMediaTarget,
  readMethods,
  sharesPath,
  withOriginalPath,
  type MediaRoute,
  type RouteMatch,
} from '../../../../src/core/http/media-route.ts';
import { parseRequestTarget } from '../../../../src/core/http/request-target.ts';

const guid = '57dab8b1-894c-409a-b240-bd8beae78896';
const undashed = '57DAB8B1894C409AB240BD8BEAE78896';
const other = '00000000-0000-4000-8000-000000000001';
const key = parseCallKey(guid)!;

const route = (path: string, more: Partial<MediaRoute> = {}): MediaRoute => ({
  path,
  upstream: 'http://media.internal',
  methods: defaultWriteMethods,
  reads: 'pass',
  ...more,
});

function find(
  routes: readonly MediaRoute[],
  target: string,
  headers: Record<string, string> = {},
): Decision<RouteMatch> | undefined {
  const parsed = parseRequestTarget(target);
  return parsed.ok ? matchRoute(routes, parsed.value, (name) => headers[name]) : parsed;
}

/** The path of the route that is found; undefined: none. */
const found = (paths: readonly string[], target: string): string | undefined => {
  const match = find(
    paths.map((path) => route(path, path.includes('{callId}') ? {} : { callId: { header: 'x' } })),
    target,
    { x: guid },
  );
  return match?.ok === true ? match.value.route.path : match?.reason;
};

describe('a media route', () => {
  test.each([
    ['/media/{callId}', `/media/${guid}`, true],
    ['/media/{callId}', `/media/${guid}/`, true],
    ['/media/{callId}', `//media/./${guid}`, true],
    ['/media/{callId}', `/%6dedia/${guid}`, true],
    ['/media/{callId}', `/media/${guid}/audio`, false],
    ['/media/{callId}', '/media', false],
    ['/media/{callId}', `/Media/${guid}`, false],
    ['/media/{callId}', `/media2/${guid}`, false],
    ['/media/{callId}', `/x/media/${guid}`, false],
    ['/media/{callId}/audio', `/media/${guid}/audio`, true],
    ['/media/{callId}/audio', `/media/${guid}/video`, false],
    ['/media/{callId}/*', `/media/${guid}`, true],
    ['/media/{callId}/*', `/media/${guid}/a/b/c`, true],
    ['/media/{callId}/*', '/media', false],
    ['/{callId}', `/${guid}`, true],
    ['/*', '/', true],
    ['/*', '/a/b', true],
    ['/media/*', '/media', true],
    ['/media/*', '/medial', false],
    ['/*/a', '/x/a', false],
  ])('%s and the path %s: %j', (path, target, matches) => {
    expect(found([path], target)).toBe(matches ? path : undefined);
  });

  test('takes its place from the most literal segments, wherever it is listed', () => {
    const routes = [
      '/*',
      '/media/*',
      '/media/{callId}',
      '/media/{callId}/*',
      '/media/live',
      '/media/live/*',
      '/media/{callId}/audio',
    ];
    for (const paths of [routes, routes.toReversed()]) {
      expect(found(paths, '/')).toBe('/*');
      expect(found(paths, '/media')).toBe('/media/*');
      expect(found(paths, '/media/live')).toBe('/media/live');
      expect(found(paths, '/media/live/audio/1')).toBe('/media/live/*');
      expect(found(paths, `/media/${guid}`)).toBe('/media/{callId}');
      expect(found(paths, `/media/${guid}/video`)).toBe('/media/{callId}/*');
      expect(found(paths, `/media/${guid}/audio`)).toBe('/media/{callId}/audio');
      expect(found(paths, '/elsewhere')).toBe('/*');
    }
  });

  test('that is as good as another must be listed first', () => {
    const one = route('/media/{callId}', { upstream: 'http://one' });
    const two = route('/media/{callId}', { upstream: 'http://two' });
    expect(find([one, two], `/media/${guid}`)).toMatchObject({
      value: { route: { upstream: 'http://one' } },
    });
  });

  test('is not found among none', () => {
    expect(find([], `/media/${guid}`)).toBeUndefined();
  });
});

describe('the call of a media request', () => {
  const byQuery = [route('/up', { callId: { query: 'callId' } })];
  const byHeader = [route('/up', { callId: { header: 'X-Call-Id' } })];

  test.each([guid, undashed, guid.toUpperCase()])('is named in the path: %s', (id) => {
    expect(find([route('/media/{callId}/*')], `/media/${id}/a`)).toMatchObject({
      ok: true,
      value: { call: key, path: `/media/${id}/a` },
    });
  });

  test('is named in the path, whatever the query and headers say', () => {
    const match = find([route('/m/{callId}', { callId: { header: 'x' } })], `/m/${guid}?callId=${other}`, {
      x: other,
    });
    expect(match).toMatchObject({ value: { call: key } });
  });

  test.each([guid, undashed])('is named in a header: %s', (id) => {
    expect(find(byHeader, '/up', { 'x-call-id': id })).toMatchObject({ ok: true, value: { call: key } });
  });

  test.each([undefined, '', 'x', `${guid}, ${guid}`, ` ${guid}`])(
    'is not named by the header value %j',
    (value) => {
      expect(find(byHeader, '/up', value === undefined ? {} : { 'x-call-id': value })).toRefuse(
        'CallIdInvalid',
      );
    },
  );

  test.each([
    `callId=${guid}`,
    `callId=${undashed}`,
    `CALLID=${guid}`,
    `a=b&callId=${guid}&c=d`,
    `%63allId=${guid.replaceAll('-', '%2D')}`,
  ])('is named in the query: %s', (query) => {
    expect(find(byQuery, `/up?${query}`)).toMatchObject({
      ok: true,
      value: { call: key, path: `/up?${query}` },
    });
  });

  test.each([
    '',
    'callId',
    'callId=',
    'callId=x',
    `callId=${guid}&callId=${guid}`,
    `callId=${guid}&callId=${other}`,
    `callId=${guid}&callid=${other}`,
    `callId=${guid}&%63allId=${other}`,
    `callId=${guid}&callId`,
    `callId[]=${guid}`,
    `callId=${guid},${other}`,
    `callId=+${guid}`,
    `id=${guid}`,
  ])('is not named by the query %j', (query) => {
    expect(find(byQuery, `/up?${query}`)).toRefuse('CallIdInvalid');
  });

  test.each(['x', 'live', `${guid}x`, `{${guid}}`, '%E2%82%AC'])(
    'is not named by the path segment %s',
    (id) => {
      expect(find([route('/media/{callId}/*')], `/media/${id}/a`)).toRefuse('CallIdInvalid');
    },
  );

  test('is not named at all where the route says nothing of it', () => {
    expect(find([route('/up')], `/up?callId=${guid}`)).toRefuse('CallIdInvalid');
  });
});

describe('the path of a media request', () => {
  test.each([
    `/media/${guid}/../x`,
    `/media/${guid}/%2e%2e/x`,
    `/media/${guid}/a%2F..%2Fb`,
    `/media/${guid}/a%5Cb`,
  ])('does not climb: %s', (target) => {
    expect(find([route('/media/{callId}/*'), route('/*')], target)).toRefuse('TargetInvalid');
  });

  test('is rebuilt from its segments, and the query stays as it came', () => {
    expect(find([route('/media/{callId}/*')], `//media/./${guid}/%61%20b/?x=%2F&y=/../`)).toMatchObject({
      value: { path: `/media/${guid}/a%20b?x=%2F&y=/../` },
    });
  });

  test('as it is sent upstream finds the same route, call and path again', () => {
    const routes = ['/*', '/media/*', '/media/{callId}/*', '/media/{callId}/audio', '/{callId}'].map((path) =>
      route(path, { callId: { query: 'callId' } }),
    );
    const piece = fc.oneof(
      fc.constantFrom(
        'media',
        'audio',
        guid,
        undashed,
        '.',
        '%2e',
        '',
        '%C3%A9',
        'a%20b',
        'a%25',
        '"',
        '..',
        '%2F',
      ),
      fc.string({ maxLength: 5 }),
    );
    const query = fc.constantFrom('', `?callId=${guid}`, `?callId=${undashed}&x=%2F`);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), query, (pieces, end) => {
        const match = find(routes, `/${pieces.join('/')}${end}`);
        if (match?.ok !== true) return;
        expect(find(routes, match.value.path)).toEqual(match);
      }),
      { numRuns: 2000 },
    );
  });
});

test.each([
  ['/media/{callId}/*', '/media/*', true],
  ['/media/{callId}/*', '/{pod}/*', true],
  ['/media/{callId}', '/{pod}/{name}', true],
  ['/media/{callId}/*', '/{pod}/api/calling/*', false],
  ['/media/{callId}/*', `/{pod}/${guid}/calling`, true],
  ['/media/{callId}/*', `/{pod}/${undashed}`, true],
  ['/media/{callId}/*', '/api/calling/*', false],
  ['/media/*', '/{pod}/api/calling/*', true],
  ['/api/{callId}', '/api/calling/*', false],
  ['/api/{callId}', '/api/*', true],
  ['/api/{callId}/live', '/{callId}/{x}/live', true],
])('the media path %s shares a path with the pattern %s: %j', (path, pattern, shared) => {
  expect(sharesPath(path, pattern)).toBe(shared);
});

describe('an encoded slash in a name', () => {
  const keeping = route('/media/{callId}/*', { encodedSlash: 'keep' });
  const strict = route('/strict/{callId}/*');
  const read = (target: string, routes: readonly MediaRoute[] = [keeping, strict]) => {
    const parsed = parseMediaTarget(routes, target);
    return parsed.ok ? matchRoute(routes, parsed.value, () => undefined) : parsed;
  };

  test('goes on as it came, where the route keeps it', () => {
    expect(read(`/media/${guid}/2026%2fseg%201%2D.wav?a=%2F`)).toMatchObject({
      ok: true,
      value: { route: keeping, call: key, path: `/media/${guid}/2026%2fseg%201%2D.wav?a=%2F` },
    });
  });

  test.each([
    ['of a route that does not', `/strict/${guid}/a%2Fb`],
    ['of no route', `/other/${guid}/a%2Fb`],
    ['of Graph', `/v1.0/communications/calls/${guid}%2FupdateRecordingStatus`],
    ['in a literal segment', `/media%2F${guid}/a`],
    ['that would climb', `/media/${guid}/a%2F..%2Fb`],
    ['that would be absolute', `/media/${guid}/%2Fetc`],
    ['beside one that is encoded twice', `/media/${guid}/a%2Fb/c%252Fd`],
  ])('%s is refused', (_, target) => {
    expect(read(target)).toRefuse('TargetInvalid');
  });

  test('never names a call', () => {
    expect(read(`/media/${guid}%2Fa/b`)).toRefuse('CallIdInvalid');
    expect(read(`/media/a%2F${guid}`)).toRefuse('CallIdInvalid');
  });

  test('is refused where a closer route does not keep it', () => {
    const closer = route('/media/{callId}/x/*');
    expect(read(`/media/${guid}/x/a%2Fb`, [keeping, closer])).toRefuse('TargetInvalid');
    expect(read(`/media/${guid}/y/a%2Fb`, [keeping, closer])).toMatchObject({ ok: true });
  });
});

describe('a path that goes on with a credential', () => {
  const signed = route('/media/{callId}/*', { token: 'Tallylight-Authorization', encodedSlash: 'keep' });
  const read = (target: string) => {
    const parsed = parseMediaTarget([signed], target);
    const match = parsed.ok ? matchRoute([signed], parsed.value, () => undefined) : parsed;
    return match?.ok === true ? grant(withOriginalPath(match.value, target)) : match;
  };

  test.each([
    [`/media/${undashed}/a%2Cb%20c%21(d)!`, `/media/${undashed}/a%2Cb%20c%21(d)!`],
    [`/%6dedia/${guid}/a%2fb/%41?sig=a%2Fb%3D&x`, `/%6dedia/${guid}/a%2fb/%41?sig=a%2Fb%3D&x`],
    [`//media/./${guid}/%2e/a/`, `/media/${guid}/a`],
  ])('%s is spelled as it came', (target, path) => {
    expect(read(target)).toMatchObject({ ok: true, value: { route: signed, call: key, path } });
  });

  test('is spelled anew for a handler that gets none', () => {
    const target = `/media/${guid}/a%2Cb%21`;
    const match = find([route('/media/{callId}/*')], target);
    expect(match?.ok === true && withOriginalPath(match.value, target)).toMatchObject({
      path: `/media/${guid}/a,b!`,
    });
  });

  test.each(['a/%2e%2e/b', 'a%00b', 'a%5Cb', 'a%3Fb', 'a%252Fb', 'a%3Bb'])(
    'is judged by what it decodes to: %s',
    (name) => expect(read(`/media/${guid}/${name}`)).toRefuse('TargetInvalid'),
  );

  test('decodes to what was judged', () => {
    const part = fc.array(
      fc.oneof(fc.constantFrom('a', '.', '%41', '%2C', '%20', '!', "'", '~', '%7e', '%E2%82%AC', '$', '"')),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(fc.array(part.map((pieces) => pieces.join(''))), (parts) => {
        const target = `/media/${guid}/${parts.join('/')}`;
        const parsed = parseRequestTarget(target);
        if (!parsed.ok) return;
        const match = read(target);
        const path = match?.ok === true ? match.value.path : '';
        expect(path.slice(1).split('/').map(decodeURIComponent)).toEqual(parsed.value.segments);
      }),
    );
  });
});

test('no method is both a read and a write', () => {
  expect(defaultWriteMethods.filter((method) => readMethods.includes(method))).toEqual([]);
});
