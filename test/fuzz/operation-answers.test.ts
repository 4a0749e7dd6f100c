import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { judgeOperation, judgeStatusAnswer, type GraphAnswer } from '../../src/core/graph/outcome.ts';
import { readGraphJson } from '../../src/core/graph/read-json.ts';
import { cases, edited, nearJson, ofLongRun } from './cases.ts';

const words = [
  'completed',
  'Completed',
  'COMPLETED',
  'running',
  'notStarted',
  'failed',
  'complete',
  ' completed',
  'completed\n',
];
const codes = [
  200,
  299,
  300,
  199,
  0,
  202.5,
  -200,
  2e2,
  '200',
  '204',
  '2',
  '2000',
  ' 200',
  '200\n',
  '0200',
  '2e2',
  '\uff12\uff10\uff10',
];
const keys = ['id', 'status', 'resultInfo', 'code', 'subcode', 'error', 'message', 'Status'];
const values = [...words, ...codes, '8506', 8506, '7505', 7505, null, 'op', '..', '../x', 'a/b'];
const anything = nearJson(keys, values);

const resultInfo = fc.oneof(
  fc.constantFrom(undefined, null, [], [200], 'x', 200, true),
  fc.record(
    {
      code: fc.oneof(
        fc.constantFrom(...codes, null, undefined, true, [200], { a: 1 }, { toString: 0 }),
        anything,
      ),
      subcode: anything,
    },
    { requiredKeys: [] },
  ),
);
const operation = fc.record(
  {
    id: fc.oneof(fc.constantFrom('op', '..', 'a/b', ''), anything),
    status: fc.constantFrom(...words, null, 1, ['completed']),
    resultInfo,
  },
  { requiredKeys: [] },
);
const completed = fc.record(
  {
    status: fc.constantFrom('completed', 'Completed', 'COMPLETED'),
    resultInfo: fc.constantFrom(null, {}, { code: 200 }, { code: '200' }, { code: 400 }),
  },
  { requiredKeys: ['status'] },
);
const location = fc.option(
  fc.oneof(
    fc.constantFrom(
      '/operations/x',
      "/operations('x')",
      '/operations/..',
      '/operations/%2e%2e',
      'https://evil/operations/a%2fb',
    ),
    fc.string({ unit: 'binary' }),
  ),
  { nil: undefined },
);
const answer: fc.Arbitrary<GraphAnswer> = fc
  .record({
    status: fc.oneof(
      fc.constantFrom(200, 201, 202, 204, 299, 300, 302, 400, 404, 408, 410, 425, 429, 500, 503),
      fc.nat(999),
    ),
    body: fc.oneof(
      { weight: 4, arbitrary: operation },
      { weight: 1, arbitrary: completed },
      { weight: 2, arbitrary: anything },
      { weight: 1, arbitrary: fc.constant(undefined) },
    ),
    location,
  })
  .map(({ status, body, location: at }) => ({
    status,
    // As it is read: what JSON cannot say does not come.
    body: body === undefined ? undefined : (JSON.parse(JSON.stringify(body)) as unknown),
    ...(at === undefined ? {} : { location: at }),
  }));

/** docs/design/success.md in words of its own: which answers are success. */
function isSuccess({ status, body }: GraphAnswer): boolean {
  if (![...Array(100).keys()].includes(status - 200)) return false;
  if (Object.prototype.toString.call(body) !== '[object Object]') return false;
  const { status: said, resultInfo: info } = body as { status?: unknown; resultInfo?: unknown };
  if (typeof said !== 'string' || !['completed'].includes(said.toLocaleLowerCase('en'))) return false;
  if (info === undefined || info === null) return true;
  if (Object.prototype.toString.call(info) !== '[object Object]') return false;
  const { code } = info as { code?: unknown };
  if (code === undefined || code === null) return true;
  const allowed = [...Array(100).keys()].map((more) => 200 + more);
  return typeof code === 'number' ? allowed.includes(code) : allowed.map(String).includes(code as string);
}

test('whatever Graph answers, success is only what the design calls so', () => {
  const counts: Record<string, number> = {};
  fc.assert(
    fc.property(answer, (given) => {
      const outcome = judgeStatusAnswer(given);
      counts[outcome.kind] = (counts[outcome.kind] ?? 0) + 1;
      expect(outcome.kind === 'completed').toBe(isSuccess(given));
      // A start is refused for good, or a stop counts as done, only by a definite no.
      if (outcome.kind === 'refused' && (given.status < 200 || given.status > 299)) {
        expect(given.status).toBeGreaterThanOrEqual(400);
        const isPermanent = ['8506', '7505'].includes(outcome.code ?? '');
        if (!isPermanent) expect([408, 425, 429]).not.toContain(given.status);
        if (!isPermanent) expect(given.status).toBeLessThan(500);
      }
    }),
    cases(),
  );
  expect(Object.keys(counts).sort()).toEqual(['completed', 'pending', 'refused', 'unknown']);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(ofLongRun(50));
});

test('an operation that is awaited has an id that is one segment of a path', () => {
  let named = 0;
  fc.assert(
    fc.property(answer, (given) => {
      const outcome = judgeOperation(given);
      if (outcome.kind === 'pending' || outcome.kind === 'completed') {
        const { operationId } = outcome;
        if (operationId === undefined) return;
        named += 1;
        const path = `/calls/x/operations/${encodeURIComponent(operationId)}`;
        expect(new URL(`http://graph${path}`).pathname).toBe(`/calls/x/operations/${operationId}`);
      }
    }),
    cases(),
  );
  expect(named).toBeGreaterThan(ofLongRun(50));
});

const maxBytes = 64 * 1024;
const codings: readonly (readonly [string, (bytes: Uint8Array) => Buffer])[] = [
  ['', (bytes) => Buffer.from(bytes)],
  ['identity', (bytes) => Buffer.from(bytes)],
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['Deflate', deflateRawSync],
  ['BR', brotliCompressSync],
];
const types = ['', 'application/json', 'application/json; charset="utf-8"', 'text/plain;charset=UTF8', 'x'];

test('an answer is read the same in every spelling that a gateway may give it', () => {
  fc.assert(
    fc.property(
      anything,
      fc.array(fc.constantFrom(...codings), { maxLength: 2 }),
      fc.constantFrom(...types),
      fc.boolean(),
      fc.constantFrom('', '\0', '\r\n', ' \0\0\t'),
      (value, coded, type, marked, end) => {
        const text = JSON.stringify(value);
        let raw: Uint8Array = Buffer.from(`${marked ? '\ufeff' : ''}${text}${end}`);
        for (const [, code] of coded) raw = code(raw);
        const headers = {
          'content-type': type,
          'content-encoding': coded.map(([name]) => name).join(', '),
        };
        expect(readGraphJson(raw, headers, { maxBytes, decides: false })).toEqual({
          readable: true,
          value: JSON.parse(text) as unknown,
        });
      },
    ),
    cases(),
  );
});

test('of any bytes something is read, or nothing: never a fault, and never more than the limit', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    edited(fc.constantFrom('{"status":"completed"}', '{"id":"a","status":"failed"}'), [
      ...['\ufeff', '\0', '"', '{', '}', ',', '"status":', '\\u0000', '[', ']'],
    ]).map((text) => Buffer.from(text)),
  );
  let read = 0;
  fc.assert(
    fc.property(
      bytes,
      fc.array(fc.constantFrom(...codings), { maxLength: 3 }),
      fc.boolean(),
      fc.constantFrom(...types, 'a; charset=utf-16', 'a; charset=iso-8859-1'),
      (given, coded, honest, type) => {
        let raw: Uint8Array = Buffer.from(given);
        if (honest) for (const [, code] of coded) raw = code(raw);
        const headers = { 'content-type': type, 'content-encoding': coded.map(([name]) => name).join(',') };
        for (const decides of [true, false]) {
          const found = readGraphJson(raw, headers, { maxBytes: 100, decides });
          if (!found.readable) continue;
          read += 1;
          expect(JSON.stringify(found.value).length).toBeLessThan(1000);
        }
      },
    ),
    cases(),
  );
  expect(read).toBeGreaterThan(ofLongRun(20));
});
