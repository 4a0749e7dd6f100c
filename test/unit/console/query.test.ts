import { expect, test } from '@jest/globals';
import { readQuery } from '../../../src/console/api/query.ts';

test.each([
  ['state=foo', 'state must be one of idle, starting, recording, '],
  ['tenant=x', 'tenant must be a GUID'],
  ['app=x', 'app must be a GUID'],
  ['since=yesterday', 'since must be a date, or a time with its offset'],
  ['attention=yes', 'attention must be 0 or 1'],
  ['limit=1001', 'limit must be a number from 1 to 1000'],
  ['after=x', 'after must be the next of the page before'],
  ['limit=1&limit=2', 'limit is repeated'],
  ['foo=1', 'the parameter foo does not exist'],
])('%s is refused, with what may stand there', (query, detail) => {
  expect(readQuery(query)).toMatchObject({
    ok: false,
    reason: 'ParameterInvalid',
    detail: expect.stringContaining(detail),
  });
});
