import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { closest, matchPath, overlaps } from '../../../../src/core/http/route-path.ts';

const split = (path: string): string[] => path.split('/').filter((segment) => segment !== '');

describe('a pattern', () => {
  test.each<[string, string, Record<string, string> | undefined]>([
    ['/a/b', '/a/b', {}],
    ['/a/b', '/a', undefined],
    ['/a/b', '/a/b/c', undefined],
    ['/a/b', '/a/B', undefined],
    ['/a/{x}', '/a/b', { x: 'b' }],
    ['/a/{x}', '/a', undefined],
    ['/{x}/a/{y}', '/1/a/2', { x: '1', y: '2' }],
    ['/{x}/a/*', '/1/a', { x: '1' }],
    ['/{x}/a/*', '/1/a/b/c', { x: '1' }],
    ['/{x}/a/*', '/1', undefined],
    ['/*', '/', {}],
    ['/a{x}', '/ab', undefined],
    ['/{}', '/b', undefined],
    ['/{x}', '/{x}', { x: '{x}' }],
  ])('%s and the path %s: %j', (pattern, path, params) => {
    expect(matchPath(pattern, split(path))?.params).toEqual(params);
  });

  test('is closer the more literal segments it has, however many placeholders another has', () => {
    const routes = ['/{a}/{b}/{c}/{d}', '/{a}/*', '/x/*', '/x/{b}/*', '/x/{b}/{c}/{d}', '/*'].map((path) => ({
      path,
    }));
    const found = (path: string): string | undefined => closest(routes, split(path))?.route.path;
    for (const path of ['/x', '/x/y/z']) expect(found(path)).toMatch(/^\/x\//);
    expect(found('/x')).toBe('/x/*');
    expect(found('/x/y/z')).toBe('/x/{b}/*');
    expect(found('/x/y/z/1')).toBe('/x/{b}/{c}/{d}');
    expect(found('/1/2/3/4')).toBe('/{a}/{b}/{c}/{d}');
    expect(found('/1/2')).toBe('/{a}/*');
    expect(found('/')).toBe('/*');
    expect(closest([{ path: '/x/*' }, { path: '/{a}/{b}/{c}' }], ['x', '1', '2'])?.route.path).toBe('/x/*');
  });
});

describe('two patterns overlap', () => {
  test.each([
    ['/a', '/a', true],
    ['/a', '/b', false],
    ['/a', '/A', false],
    ['/a/{x}', '/a/b', true],
    ['/a/{x}', '/{y}/b', true],
    ['/a/{x}', '/{y}/b/c', false],
    ['/a/{x}', '/{y}/b/*', true],
    ['/a/{x}', '/{y}/b/c/*', false],
    ['/a/*', '/{y}/b/c', true],
    ['/a/*', '/b/*', false],
    ['/a/*', '/a', true],
    ['/a/b/*', '/a', false],
    ['/a/b/*', '/a/*', true],
    ['/a/b', '/a/c/*', false],
    ['/*', '/a/{x}', true],
    ['/*', '/*', true],
  ])('%s and %s: %j', (one, other, expected) => {
    expect(overlaps(one, other)).toBe(expected);
    expect(overlaps(other, one)).toBe(expected);
  });

  const words = ['a', 'b', 'c'];
  const pattern = fc
    .tuple(fc.array(fc.constantFrom(...words, '{x}', '{y}'), { maxLength: 4 }), fc.constantFrom([], ['*']))
    .map(([segments, end]) => `/${[...segments, ...end].join('/')}`);
  const path = fc.array(fc.constantFrom(...words, 'd'), { maxLength: 5 });

  test('whenever they match one path', () => {
    fc.assert(
      fc.property(pattern, pattern, path, (one, other, segments) => {
        fc.pre(matchPath(one, segments) !== undefined && matchPath(other, segments) !== undefined);
        expect(overlaps(one, other)).toBe(true);
      }),
    );
  });

  test('only when there is a path that both match', () => {
    // Filled with a word for every placeholder, and as long as the longer one.
    const fill = (one: string, other: string): string[] => {
      const [a, b] = [split(one), split(other)].map((segments) => segments.filter((each) => each !== '*'));
      const longer = a!.length > b!.length ? a! : b!;
      return longer.map((_, index) => {
        const literal = [a![index], b![index]].find((each) => each !== undefined && !each.startsWith('{'));
        return literal ?? 'd';
      });
    };
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        const witness = fill(one, other);
        const both = matchPath(one, witness) !== undefined && matchPath(other, witness) !== undefined;
        expect(overlaps(one, other)).toBe(both);
      }),
      { numRuns: 1000 },
    );
  });
});
