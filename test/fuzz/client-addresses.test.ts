import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clientAddress } from '../../src/http/client-address.ts';
import { cases, edited, ofLongRun } from './cases.ts';

const nameOf = clientAddress(['10.0.0.0/8', '192.168.1.5', 'fd00::/8']);
const peer = '10.0.0.1';

const proxies = ['10.1.2.3', '192.168.1.5', '::ffff:10.9.9.9', 'fd00::7', '10.1.2.3:443', '[fd00::7]:443'];
/** Clients, and how each is named. */
const clients: readonly (readonly [string, string])[] = [
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:4711', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['[2001:db8:1:2::9]:80', '2001:db8:1:2::/64'],
];
const forged = ['198.51.100.1', '2001:db8:bad::1', '[2001:db8:bad::1]:80'];
const pieces = [
  ...[
    ',',
    ', ',
    ' ,\t',
    ';',
    '=',
    '"',
    '\\',
    '\\"',
    '"",',
    'for=',
    'FOR=',
    'for="',
    'by=',
    'proto=http',
    'for=_x',
  ],
  ...[
    'unknown',
    '_hidden',
    '[',
    ']',
    '%25',
    ':',
    '0x7f.1',
    '127.1',
    '010.0.0.1',
    '\0',
    '\u00e9',
    ...forged,
    ...proxies,
  ],
];
/** What a client may have written before the first proxy of ours appended anything. */
const written = edited(
  fc.constantFrom(
    ...forged,
    ...forged.map((address) => `for="${address}"`),
    '',
    `for=${forged[0]};by="x`,
    '"',
  ),
  pieces,
  6,
);
const inQuotes = (address: string): string => (/[:[]/.test(address) ? `"${address}"` : address);
const asForwarded = (address: string): string =>
  `for=${inQuotes(address.includes(':') && !/^\[|\./.test(address) ? `[${address}]` : address)}`;

const request = (headers: Record<string, string | undefined>): Parameters<typeof nameOf>[0] => ({
  headers,
  socket: { remoteAddress: peer },
});

describe('whatever a client writes of its address', () => {
  test('is read without a fault, and names somebody in one of the known forms', () => {
    const header = fc.option(fc.oneof(written, fc.string({ unit: 'binary', maxLength: 300 })), {
      nil: undefined,
    });
    fc.assert(
      fc.property(header, header, (forwardedFor, forwarded) => {
        const name = nameOf(request({ 'x-forwarded-for': forwardedFor, forwarded }));
        expect(name).toMatch(/^(\d{1,3}(\.\d{1,3}){3}|[\da-f]{1,4}(:[\da-f]{1,4}){3}::\/64)$/);
      }),
      cases(),
    );
  });

  test.each([
    ['x-forwarded-for', (address: string) => address],
    ['forwarded', asForwarded],
  ] as const)(
    'is not what counts in %s once a trusted proxy has appended whom it was asked by',
    (name, entry) => {
      let isNamed = 0;
      fc.assert(
        fc.property(
          written,
          fc.constantFrom(...clients),
          fc.array(fc.constantFrom(...proxies), { maxLength: 4 }),
          (before, [client, named], hops) => {
            const appended = [client, ...hops].map((address) => entry(address));
            const found = nameOf(request({ [name]: [before, ...appended].join(', ') }));
            // Where the list cannot be read it is the proxy itself; never what the client wrote.
            expect([named, peer]).toContain(found);
            if (found === named) isNamed += 1;
          },
        ),
        cases(),
      );
      expect(isNamed).toBeGreaterThan(ofLongRun(50));
    },
  );

  test('counts for nothing where the peer is no proxy of ours', () => {
    fc.assert(
      fc.property(written, written, (forwardedFor, forwarded) => {
        const headers = { 'x-forwarded-for': forwardedFor, forwarded };
        expect(nameOf({ headers, socket: { remoteAddress: '203.0.113.9' } })).toBe('203.0.113.9');
      }),
      cases(),
    );
  });
});
