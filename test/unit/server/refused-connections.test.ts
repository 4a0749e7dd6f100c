import { Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { refusedConnections } from '../../../src/server/refused-connections.ts';
import { settings } from '../../../src/settings/table.ts';
import { collectedLog } from '../../support/collected-log.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const from = (address: string): Socket =>
  Object.defineProperty(new Socket(), 'remoteAddress', { get: () => address });

function testBed() {
  const log = collectedLog();
  const clock = new VirtualClock();
  const { refused, close } = refusedConnections({ log, clock });
  return { log, clock, refused, close };
}

test.each([
  [{ code: 'TooManyConnections' }, /as many connections/, 'TALLYLIGHT_MAX_CONNECTIONS'],
  [{ code: 'HPE_HEADER_OVERFLOW' }, /larger than allowed/, 'TALLYLIGHT_MAX_HEADER_BYTES'],
  [{ code: 'ERR_HTTP_REQUEST_TIMEOUT' }, /not complete in time/, 'TALLYLIGHT_HEADERS_TIMEOUT_MS'],
  [{ code: 'HPE_INVALID_METHOD' }, /not valid HTTP\/1\.1 \(HPE_INVALID_METHOD\)/, undefined],
  [
    { code: 'HPE_INVALID_METHOD', rawPacket: Buffer.from([0x16, 3, 1, 2, 0, 1]) },
    /the client speaks TLS/,
    'TALLYLIGHT_TLS_CERT_FILE',
  ],
  [{ code: 'ERR_SSL_HTTP_REQUEST' }, /the client speaks plain HTTP/, 'TALLYLIGHT_TLS_CERT_FILE'],
  [
    { code: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA' },
    /handshake failed \(ERR_SSL_TLSV1_ALERT_UNKNOWN_CA\)/,
    'TALLYLIGHT_TLS_CERT_FILE',
  ],
  [{}, /could not be read \(unknown\)/, undefined],
])('%j is told with its cause, the client and the setting', (error, cause, setting) => {
  const { log, refused } = testBed();
  refused(from('192.0.2.7'), error);
  expect(log.lines).toEqual([
    {
      level: 'info',
      text: 'a connection was refused before there was a request',
      facts: {
        cause: expect.stringMatching(cause),
        client: '192.0.2.7',
        ...(setting === undefined ? {} : { setting }),
      },
    },
  ]);
  const names = Object.values(settings).map(({ name }) => name as string);
  if (setting !== undefined) expect(names).toContain(setting);
});

test('a client that went away was not refused', () => {
  const { log, refused } = testBed();
  for (const code of ['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE']) refused(from('192.0.2.7'), { code });
  expect(log.lines).toEqual([]);
});

test('of one cause ten clients have a line in ten seconds, each one; the rest is a number', async () => {
  const { log, clock, refused } = testBed();
  for (let n = 0; n < 15; n += 1)
    for (let i = 0; i < 2; i += 1) refused(from(`192.0.2.${n}`), { code: 'HPE_X' });
  refused(from('192.0.2.1'), { code: 'HPE_HEADER_OVERFLOW' });
  expect(log.lines.map(({ facts }) => facts.client)).toEqual([
    ...Array.from({ length: 10 }, (_, n) => `192.0.2.${n}`),
    '192.0.2.1',
  ]);
  await clock.advance(10_000);
  expect(log.lines.slice(11)).toEqual([
    {
      level: 'info',
      text: 'further connections were refused for the same reason',
      facts: { cause: expect.stringContaining('HPE_X'), leftOut: 20 },
    },
  ]);
  refused(from('192.0.2.1'), { code: 'HPE_X' });
  expect(log.lines).toHaveLength(13);
});

test('what was left out is told at the end', () => {
  const { log, refused, close } = testBed();
  for (let n = 0; n < 3; n += 1) refused(from('192.0.2.1'), { code: 'HPE_X' });
  close();
  expect(log.lines.at(-1)?.facts.leftOut).toBe(2);
});
