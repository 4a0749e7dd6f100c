import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { matchCallback, type CallbackMatch } from '../../../../src/core/http/callback-route.ts';
import { parseRequestTarget } from '../../../../src/core/http/request-target.ts';

function find(paths: readonly string[], target: string): CallbackMatch | undefined {
  const parsed = parseRequestTarget(target);
  if (!parsed.ok) throw new Error(parsed.detail);
  return matchCallback(
    paths.map((path, index) => ({ path, upstream: `http://bot-${index}` })),
    parsed.value,
  );
}

const found = (paths: readonly string[], target: string): string | undefined =>
  find(paths, target)?.route.path;

describe('a callback route', () => {
  test.each([
    ['/api/calling', '/api/calling', true],
    ['/api/calling', '/api/calling/', true],
    ['/api/calling', '//api/./%63alling', true],
    ['/api/calling', '/api/calling/notification', false],
    ['/api/calling', '/API/calling', false],
    ['/{pod}/api/calling/*', '/0/api/calling', true],
    ['/{pod}/api/calling/*', '/bot-17/api/calling/notification', true],
    ['/{pod}/api/calling/*', '/api/calling/notification', false],
    ['/{region}/{pod}/calls', '/eu/3/calls', true],
  ])('%s and the path %s: %j', (path, target, matches) => {
    expect(found([path], target)).toBe(matches ? path : undefined);
  });

  test('never has a path of Graph, whatever it begins with', () => {
    const paths = ['/{pod}/api/*', '/{pod}/calls', '/v1.0/*', '/beta/*', '/app/*', '/APP/api'];
    for (const root of ['v1.0', 'V1.0', 'beta', 'Beta', 'app', 'APP', '%61pp'])
      for (const rest of ['api', 'api/calling', 'calls']) {
        expect(found(paths, `/${root}/${rest}`)).toBeUndefined();
        expect(found(paths, `//./${root}/${rest}`)).toBeUndefined();
      }
    expect(found(paths, '/v1/api')).toBe('/{pod}/api/*');
    expect(found(paths, '/x/app/calls')).toBeUndefined();
  });

  test.each(['/*', '/{pod}', '/{pod}/*', '/{a}/{b}', '/'])(
    '%s without a literal segment has no path',
    (path) => {
      for (const target of ['/', '/0', '/0/api']) expect(found([path], target)).toBeUndefined();
    },
  );

  test('takes its place from the most literal segments, wherever it is listed', () => {
    const paths = ['/{pod}/{name}/calling', '/{pod}/api/calling', '/0/api/*', '/0/api/{name}'];
    for (const listed of [paths, paths.toReversed()]) {
      expect(found(listed, '/1/api/calling')).toBe('/{pod}/api/calling');
      expect(found(listed, '/1/x/calling')).toBe('/{pod}/{name}/calling');
      expect(found(listed, '/0/api/other')).toBe('/0/api/{name}');
      expect(found(listed, '/0/api/other/more')).toBe('/0/api/*');
    }
  });

  test('that is as good as another must be listed first', () => {
    expect(find(['/{pod}/api', '/{bot}/api'], '/0/api')?.route.upstream).toBe('http://bot-0');
  });

  test('is not found among none', () => {
    expect(find([], '/api')).toBeUndefined();
  });
});

describe('the path that the bot sees', () => {
  test('is rebuilt from its segments, and the query stays as it came', () => {
    expect(find(['/{pod}/api/*'], '//0/./%61pi/a%20b/?x=%2F&y=/../')?.path).toBe('/0/api/a%20b?x=%2F&y=/../');
    expect(find(['/{pod}/api/*'], '/0/api')?.path).toBe('/0/api');
  });

  test('finds the same route and the same path again', () => {
    const paths = ['/{pod}/api/*', '/api/calling', '/{pod}/api/{name}', '/bot/*'];
    const piece = fc.oneof(
      fc.constantFrom('api', 'calling', 'bot', '0', '.', '', '%C3%A9', 'a%20b', 'a%25', '%61pi', 'app', '"'),
      fc.string({ maxLength: 4 }),
    );
    const query = fc.constantFrom('', '?a=b', '?x=%2F&y=..');
    let matched = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), query, (pieces, end) => {
        const target = `/${pieces.join('/')}${end}`;
        if (!parseRequestTarget(target).ok) return;
        const match = find(paths, target);
        if (match === undefined) return;
        matched += 1;
        expect(find(paths, match.path)).toEqual(match);
      }),
      { numRuns: 2000 },
    );
    expect(matched).toBeGreaterThan(50);
  });
});
