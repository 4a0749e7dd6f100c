import { describe, expect, test } from '@jest/globals';
import {
  networkCause,
  networkCauseIn,
  networkCauseOf,
  networkCauses,
} from '../../../src/core/network-cause.ts';

const coded = (code: string, more: object = {}): Error =>
  Object.assign(new Error('a message'), { code }, more);

test.each(Object.entries(networkCauses))('%s says why and what to do, each in one sentence', (code, row) => {
  for (const text of row) expect(text).toMatch(/^[A-Za-z][^.]*[^.]$/);
  expect(networkCause(coded(code))).toBe(`${code}: ${row[0]}. ${row[1]}`);
  expect(networkCauseIn(`no keys: ${code}: of whatever kind`)?.code).toBe(code);
});

/** What people meet, as it must read wherever it is shown: in logs, findings and messages. */
test.each([
  ['ECONNREFUSED', 'nothing listens at this address and port. Correct host and port, or start the server'],
  ['ENOTFOUND', 'DNS does not know the host name. Correct the host name, or its DNS record'],
  ['ETIMEDOUT', 'the host did not answer in time. Open the network from this machine to the server'],
  ['CERT_HAS_EXPIRED', 'the certificate of the host has expired. Have it renewed'],
  [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'is self-signed. Name the certificate of that authority in NODE_EXTRA_CA_CERTS',
  ],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'is for another name. Correct the host name'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS at this port'],
  ['ECONNRESET', 'reset by the other side. Compare the scheme of the URL'],
])('%s', (code, text) => expect(networkCause(coded(code))).toContain(text));

describe('the code is found', () => {
  test.each([
    ['in the error', coded('ECONNREFUSED')],
    ['in the cause of fetch', new TypeError('fetch failed', { cause: coded('ECONNREFUSED') })],
    ['in a cause of a cause', new Error('a', { cause: new Error('b', { cause: coded('ECONNREFUSED') }) })],
    ['of one of several addresses', new AggregateError([coded('EUNKNOWN'), coded('ECONNREFUSED')], '')],
    [
      'of the last node of a cluster',
      Object.assign(new Error('all failed'), { lastNodeError: coded('ECONNREFUSED') }),
    ],
    ['below a code that explains nothing', coded('ERR_SOMETHING', { cause: coded('ECONNREFUSED') })],
  ])('%s', (_where, error) => expect(networkCauseOf(error)?.code).toBe('ECONNREFUSED'));

  test('of a time limit', async () => {
    const signal = AbortSignal.timeout(1);
    const timedOut = await new Promise((resolve) =>
      signal.addEventListener('abort', () => resolve(signal.reason)),
    );
    expect(networkCauseOf(timedOut)?.code).toBe('ETIMEDOUT');
  });
});

test.each([
  ['nothing', undefined],
  ['a text', 'ECONNREFUSED'],
  ['an error without a code', new Error('ECONNREFUSED')],
  ['a code of something else', coded('EACCES')],
  ['a name of every object', coded('constructor')],
])('%s has no cause that is known', (_what, error) => {
  expect(networkCause(error)).toBeUndefined();
});

test.each(['', 'RS256, PS256', 'it answered 404', 'constructor'])('"%s" names none', (text) => {
  expect(networkCauseIn(text)).toBeUndefined();
});
