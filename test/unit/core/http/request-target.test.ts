import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatPath, parseRequestTarget, queryValues } from '../../../../src/core/http/request-target.ts';

const segmentsOf = (target: string): readonly string[] => {
  const parsed = parseRequestTarget(target);
  if (!parsed.ok) throw new Error(`${target} was refused: ${parsed.detail ?? ''}`);
  return parsed.value.segments;
};

describe('the segments of a request target', () => {
  test.each([
    ['/', []],
    ['/a/b', ['a', 'b']],
    ['/a/b/', ['a', 'b']],
    ['//a///b//', ['a', 'b']],
    ['/a/./b/.', ['a', 'b']],
    ['/a/%2e/b', ['a', 'b']],
    ['/a/%2E/b', ['a', 'b']],
    ['/%61/%62', ['a', 'b']],
    ['/a%20b', ['a b']],
    ['/%24batch', ['$batch']],
    ['/a%25', ['a%']],
    ['/a%25zz', ['a%zz']],
    ['/.../..a/a..', ['...', '..a', 'a..']],
    ['/a+b', ['a+b']],
    ["/calls('x')", ["calls('x')"]],
    ['/%E2%82%AC', ['€']],
  ])('of %s are %j', (target, segments) => {
    expect(segmentsOf(target)).toEqual(segments);
  });

  test.each([
    ['/a', ''],
    ['/a?', ''],
    ['/a?b=c', 'b=c'],
    ['/a/?b=/../c%2F%00', 'b=/../c%2F%00'],
    ['/a?b?c', 'b?c'],
  ])('of %s leave the query as it came', (target, query) => {
    expect(parseRequestTarget(target)).toEqual({ ok: true, value: { segments: ['a'], query } });
  });
});

describe('an encoded slash that is to be kept', () => {
  const kept = (target: string) => parseRequestTarget(target, 'keep');

  test.each([
    ['/a/2026-01-01%2Fseg-1.wav', ['a', '2026-01-01%2Fseg-1.wav']],
    ['/a/b%2fc%2Fd/e', ['a', 'b%2fc%2Fd', 'e']],
    ['/a/b%2F', ['a', 'b%2F']],
    ['/a/b%2F%2Fc', ['a', 'b%2F%2Fc']],
    ['/a/b%2F.c%2F..d%2Fe..%2Ff.', ['a', 'b%2F.c%2F..d%2Fe..%2Ff.']],
    ['/a/%62%2Fc%20d%2F%e2%82%ac', ['a', '%62%2Fc%20d%2F%e2%82%ac']],
    ['/%61/b%2Fc', ['a', 'b%2Fc']],
  ])('is part of one segment, which stays as it came: %s', (target, segments) => {
    const read = kept(`${target}?x=%2F`);
    expect(read).toEqual({ ok: true, value: { segments, query: 'x=%2F' } });
    expect(formatPath(segments)).toBe(`/${segments.join('/')}`);
    expect(parseRequestTarget(target)).toRefuse('TargetInvalid');
  });

  test.each([
    ['/a/..%2Fb'],
    ['/a/b%2F..'],
    ['/a/b%2f..%2fc'],
    ['/a/b%2F.%2Fc'],
    ['/a/b%2F%2e%2E%2Fc'],
    ['/a/b%2F..%20%2Fc'],
    ['/a/b%2F...%2Fc'],
    ['/a/%2Fetc%2Fpasswd'],
    ['/a/%2F'],
    ['/a/b%252Fc'],
    ['/a/b%2F%252e%252e'],
    ['/a/b%2Fc%25'.replace('%25', '%2541')],
    ['/a/b%5Cc'],
    ['/a/b%2F..%5Cc'],
    ['/a/b%2Fc%00'],
    ['/a/b%2Fc;d'],
    ['/a/b%2Fc%3Bd'],
    ['/a/b%2Fc%3Fd'],
    ['/a/b%2Fc%23d'],
    ['/a/b%2Fc%0a'],
    ['/a/b%2F%C0%AFc'],
    ['/a/b%2F%ff'],
    ['/a/../b%2Fc'],
  ])('hides nothing: %s is refused', (target) => {
    expect(kept(target)).toRefuse('TargetInvalid');
  });
});

describe('a request target is refused', () => {
  test.each([
    ['that is empty', ''],
    ['in absolute form', 'http://graph.microsoft.com/v1.0/me'],
    ['in absolute form without a path', 'https://graph.microsoft.com'],
    ['in authority form', 'graph.microsoft.com:443'],
    ['in asterisk form', '*'],
    ['that starts with a backslash', '\\a'],
    ['that climbs', '/a/../b'],
    ['that climbs at the end', '/a/..'],
    ['that climbs, encoded', '/a/%2e%2E/b'],
    ['that climbs, half encoded', '/a/.%2e/b'],
    ['encoded twice', '/%2561'],
    ['encoded twice, climbing', '/%252e%252e/b'],
    ['encoded thrice', '/%252561'],
    ['with an encoded slash', '/a%2Fb'],
    ['with an encoded slash in lower case', '/a%2fb'],
    ['with an encoded backslash', '/a%5Cb'],
    ['with a backslash', '/a\\b'],
    ['with an encoded NUL', '/a%00'],
    ['with an encoded line feed', '/a%0Ab'],
    ['with an encoded DEL', '/a%7F'],
    ['with parameters', '/a;b=c'],
    ['with encoded parameters', '/a%3Bb'],
    ['with an encoded question mark', '/a%3Fb'],
    ['with an encoded number sign', '/a%23b'],
    ['with a fragment', '/a#b'],
    ['with a fragment after the query', '/a?b#c'],
    ['with overlong UTF-8 for a slash', '/a%C0%AFb'],
    ['with overlong UTF-8 for a dot', '/%C0%AE%C0%AE/b'],
    ['with an overlong NUL', '/a%C0%80'],
    ['with a surrogate in UTF-8', '/%ED%A0%80'],
    ['with a cut UTF-8 sequence', '/%E2%82'],
    ['with a lone percent sign', '/a%'],
    ['with a percent sign before other letters', '/a%zz'],
    ['with IIS Unicode escapes', '/a%u002fb'],
    ['with a space', '/a b'],
    ['with a tab', '/a\tb'],
    ['with a line feed at the end', '/a\n'],
    ['with raw non-ASCII', '/é'],
    ['with raw non-ASCII in the query', '/a?é'],
  ])('%s: %j', (_what, target) => {
    expect(parseRequestTarget(target)).toRefuse('TargetInvalid');
  });

  test('that is longer than 8192 characters, and only then', () => {
    expect(parseRequestTarget(`/${'a'.repeat(8191)}`)).toMatchObject({ ok: true });
    expect(parseRequestTarget(`/${'a'.repeat(8192)}`)).toRefuse('TargetInvalid');
    expect(parseRequestTarget(`/a?${'b'.repeat(8190)}`)).toRefuse('TargetInvalid');
  });

  test('with a detail that never repeats more than 64 characters of it', () => {
    expect(parseRequestTarget(`/%${'z'.repeat(4000)}`)).toMatchObject({
      detail: `"%${'z'.repeat(63)}" is not valid percent-encoding`,
    });
  });
});

/** Texts in which what matters to a path is frequent. */
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom('/', '//', '.', '..', '%2e', '%2F', '%5c', '%25', '%00', ';', '?', '#', '%', '%C0%AF'),
      fc.constantFrom("('", "')", '+', ':', '=', ',', '$', '@', '"', '<', '{', '|', '^', '€', '\\', ' '),
      fc.string({ maxLength: 6 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

describe('whatever the target', () => {
  test('parsing never throws, and what it gives holds no separator, dot segment or further encoding', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          nasty,
          nasty.map((text) => `/${text}`),
        ),
        (target) => {
          const parsed = parseRequestTarget(target);
          for (const segment of parsed.ok ? parsed.value.segments : []) {
            expect(segment).not.toMatch(/^\.{0,2}$|[/\\;?#]|%[0-9a-f]{2}/i);
            expect(Buffer.from(segment).every((byte) => byte >= 0x20 && byte !== 0x7f)).toBe(true);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('the rebuilt path parses to the same segments, and is rebuilt the same', () => {
    fc.assert(
      fc.property(
        nasty.map((text) => `/${text}`),
        (target) => {
          const parsed = parseRequestTarget(target);
          fc.pre(parsed.ok);
          const path = formatPath(parsed.value.segments);
          expect(segmentsOf(path)).toEqual(parsed.value.segments);
          expect(formatPath(segmentsOf(path))).toBe(path);
          expect(path).toMatch(/^\/[A-Za-z0-9\-._~!$'()*+,:=@%/]*$/);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('a path of plain segments is its own canonical form', () => {
    const path = "/v1.0/communications/calls('x')/f(a=2020-01-01T00:00:00Z,b=+1)/$count/a@b";
    expect(formatPath(segmentsOf(path))).toBe(path);
  });
});

describe('the values of a query parameter', () => {
  test.each([
    ['$expand=operations', ['operations']],
    ['expand=operations', ['operations']],
    ['$EXPAND=operations', ['operations']],
    ['%24expand=operations', ['operations']],
    ['%24%65xpand=oper%61tions', ['operations']],
    ['a=b&$expand=one&Expand=two', ['one', 'two']],
    ['$expand', ['']],
    ['$$expand=x', []],
    ['expanded=x', []],
    ['', []],
  ])('of %j named "expand" are %j', (query, values) => {
    expect(queryValues(query, 'expand')).toEqual(values);
  });

  test('are found when the wanted name is in camel case', () => {
    expect(queryValues('CALLID=1&callId=2', 'callId')).toEqual(['1', '2']);
  });
});
