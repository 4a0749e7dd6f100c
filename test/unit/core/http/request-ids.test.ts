import { expect, test } from '@jest/globals';
import { idFacts, traceIdOf } from '../../../../src/core/http/request-ids.ts';

const trace = '0af7651916cd43dd8448eb211c80319c';
const parent = 'b7ad6b7169203331';

test.each([
  ['version 00', `00-${trace}-${parent}-01`],
  ['another flag', `00-${trace}-${parent}-ff`],
  ['a later version', `01-${trace}-${parent}-00`],
  ['a later version with more fields', `cc-${trace}-${parent}-01-what-the-future-will-be-like`],
])('a traceparent of %s has a trace id', (_, value) => {
  expect(traceIdOf(value)).toBe(trace);
});

test.each([
  ['nothing', undefined],
  ['several values', [`00-${trace}-${parent}-01`]],
  ['several values, joined', `00-${trace}-${parent}-01, 00-${trace}-${parent}-01`],
  ['an empty text', ''],
  ['version ff', `ff-${trace}-${parent}-01`],
  ['more fields in version 00', `00-${trace}-${parent}-01-more`],
  ['upper case', `00-${trace.toUpperCase()}-${parent}-01`],
  ['a trace of zeros', `00-${'0'.repeat(32)}-${parent}-01`],
  ['a parent of zeros', `00-${trace}-${'0'.repeat(16)}-01`],
  ['a short trace', `00-${trace.slice(1)}-${parent}-01`],
  ['no flags', `00-${trace}-${parent}`],
  ['text around it', ` 00-${trace}-${parent}-01`],
  ['a line break', `00-${trace}-${parent}-01\n`],
  ['a line break and more', `01-${trace}-${parent}-01-\nx`],
])('a traceparent of %s has none', (_, value) => {
  expect(traceIdOf(value)).toBeUndefined();
});

test('a line has the ids that there are', () => {
  expect(idFacts({ requestId: 'r' })).toEqual({ requestId: 'r' });
  expect(idFacts({ requestId: 'r', clientRequestId: 'c', traceId: trace })).toEqual({
    requestId: 'r',
    clientRequestId: 'c',
    trace_id: trace,
  });
});
