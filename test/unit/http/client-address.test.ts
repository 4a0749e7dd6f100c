import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clientAddress, isAddressOrNetwork } from '../../../src/http/client-address.ts';
import { addressWithoutProxies } from '../../../src/http/unlisted-proxy.ts';
import { silentLog } from '../../support/world.ts';

const trusted = ['10.0.0.0/8', '192.168.1.5', 'fd00::/8'];
const nameOf = (peer: string | undefined, headers: IncomingHttpHeaders = {}, proxies = trusted): string =>
  clientAddress(proxies)({ headers, socket: { remoteAddress: peer } });
const viaXff = (list: string, peer = '10.0.0.1'): string => nameOf(peer, { 'x-forwarded-for': list });
const viaForwarded = (list: string, peer = '10.0.0.1'): string => nameOf(peer, { forwarded: list });

describe('without a proxy', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::7', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    [undefined, 'unknown'],
  ])('%s is %s', (peer, name) => expect(nameOf(peer)).toBe(name));

  test('what anybody writes into a header counts for nothing', () => {
    fc.assert(
      fc.property(fc.string(), fc.ipV4(), fc.ipV6(), (text, four, six) => {
        for (const list of [text, four, six, `for=${four}`, `for="[${six}]"`]) {
          expect(viaXff(list, '203.0.113.7')).toBe('203.0.113.7');
          expect(viaForwarded(list, '203.0.113.7')).toBe('203.0.113.7');
        }
      }),
    );
  });

  test('two addresses of one /64 are one, others are not', () => {
    const half = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 4, maxLength: 4 });
    const text = (groups: number[]): string => groups.map((group) => group.toString(16)).join(':');
    fc.assert(
      fc.property(half, half, half, half, (net, other, one, two) => {
        fc.pre(net[0] !== 0 && other[0] !== 0 && text(net) !== text(other));
        expect(nameOf(`${text(net)}:${text(one)}`, {}, [])).toBe(nameOf(`${text(net)}:${text(two)}`, {}, []));
        expect(nameOf(`${text(net)}:${text(one)}`, {}, [])).not.toBe(
          nameOf(`${text(other)}:${text(one)}`, {}, []),
        );
      }),
    );
  });
});

describe('behind trusted proxies', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:4711', '203.0.113.7'],
    ['198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['198.51.100.1, 203.0.113.7, 10.1.2.3,192.168.1.5', '203.0.113.7'],
    ['2001:db8:1:2::9, 10.1.2.3', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9]:80', '2001:db8:1:2::/64'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    // Everybody is a proxy of ours: the first one asks.
    ['10.7.7.7, 10.8.8.8', '10.7.7.7'],
    // What cannot be read is the peer's.
    ['203.0.113.7, unknown', '10.0.0.1'],
    ['', '10.0.0.1'],
    ['203.0.113.7,', '10.0.0.1'],
    ['203.0.113.777', '10.0.0.1'],
    ['[203.0.113.7]', '10.0.0.1'],
    ['0xcb.0x0.0x71.7', '10.0.0.1'],
  ])('X-Forwarded-For: %s is %s', (list, name) => expect(viaXff(list)).toBe(name));

  test.each([
    ['for=203.0.113.7', '203.0.113.7'],
    ['For="203.0.113.7:80";proto=https', '203.0.113.7'],
    ['proto=https; by=10.0.0.1; for=203.0.113.7', '203.0.113.7'],
    ['for="[2001:db8:1:2::9]:4711"', '2001:db8:1:2::/64'],
    ['for="\\[2001:db8:1:2::9\\]"', '2001:db8:1:2::/64'],
    ['for=198.51.100.1, for=203.0.113.7;by=10.0.0.2, for=10.1.2.3', '203.0.113.7'],
    ['for=203.0.113.7;host="a,b"', '203.0.113.7'],
    // A quote that the client opened, and an address in a value that the client chose.
    ['for="198.51.100.1, for=203.0.113.7', '203.0.113.7'],
    ['for=198.51.100.1;x=", for="203.0.113.7";by="10.0.0.2"', '203.0.113.7'],
    ['host="a;for=198.51.100.1";for=203.0.113.7', '203.0.113.7'],
    // Obfuscated, twice, or no element at all.
    ['for=_hidden', '10.0.0.1'],
    ['for=unknown', '10.0.0.1'],
    ['for=203.0.113.7, for="_SEVKISEK"', '10.0.0.1'],
    ['for=203.0.113.7;for=198.51.100.1', '10.0.0.1'],
    ['203.0.113.7', '10.0.0.1'],
    ['for=2001:db8::9', '10.0.0.1'],
    ['proto=https', '10.0.0.1'],
    ['for="203.0.113.7', '10.0.0.1'],
  ])('Forwarded: %s is %s', (list, name) => expect(viaForwarded(list)).toBe(name));

  test('headers that say two things say nothing: one of them the proxy may have left as the client wrote it', () => {
    const both = (xff: string, forwarded: string): string =>
      nameOf('10.0.0.1', { 'x-forwarded-for': xff, forwarded });
    expect(both('203.0.113.7', 'for=203.0.113.7')).toBe('203.0.113.7');
    expect(both('203.0.113.7', 'for=198.51.100.1')).toBe('10.0.0.1');
    expect(both('203.0.113.7', 'for=_hidden')).toBe('10.0.0.1');
  });

  test('whatever a client writes, what the proxy appends decides', () => {
    const written = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc
        .array(
          fc.constantFrom('"', '\\', ',', ';', '=', 'for', 'by', '10.0.0.1', '198.51.100.1', ' ', '[', ']'),
          {
            maxLength: 12,
          },
        )
        .map((parts) => parts.join('')),
    );
    const appended = fc.constantFrom(
      ['for=203.0.113.7', '203.0.113.7'],
      ['for="203.0.113.7:80";proto=https', '203.0.113.7'],
      ['by=10.0.0.1;for="[2001:db8:1:2::9]"', '2001:db8:1:2::/64'],
    );
    fc.assert(
      fc.property(written, appended, (text, [element = '', name]) => {
        expect(viaForwarded(`${text}, ${element}`)).toBe(name);
        expect(viaXff(`${text}, 203.0.113.7`)).toBe('203.0.113.7');
      }),
    );
  });

  test('lists that were written to keep the reader busy are the peer’s', () => {
    const lists = [
      ','.repeat(16_000),
      'for=a;x="'.padEnd(8000, ',').padEnd(16_000, ' ;'),
      `${'for=10.0.0.2,'.repeat(1200)}for=10.0.0.2`,
      'a='.repeat(8000),
      `for=a${' ;'.repeat(8000)}"`,
    ];
    // One that lets the reader try every split takes longer than any test may.
    for (const list of lists) expect(viaForwarded(list)).toBe('10.0.0.1');
    expect(viaXff(`${'10.0.0.2,'.repeat(1600)}10.0.0.2`)).toBe('10.0.0.1');
  });
});

test('what is listed must be an address or a network', () => {
  for (const good of ['10.0.0.0/8', '10.1.2.3', '::1', 'fd00::/8', '0.0.0.0/0', '2001:db8::/128'])
    expect(isAddressOrNetwork(good)).toBe(true);
  for (const bad of [
    '',
    '10.0.0.0/33',
    'fd00::/129',
    'proxy.example',
    '10.0.0.0/',
    '10.0.0/8',
    '*',
    '::1%lo',
    '1/2/3',
  ])
    expect(isAddressOrNetwork(bad)).toBe(false);
});

describe('without a trusted proxy', () => {
  function asking(): { ask: (peer: string, headers?: IncomingHttpHeaders) => string; told: object[] } {
    const told: object[] = [];
    const address = addressWithoutProxies({ ...silentLog, warn: (facts) => void told.push(facts) });
    return { told, ask: (peer, headers = {}) => address({ headers, socket: { remoteAddress: peer } }) };
  }

  test('a proxy that writes whom it asks for is told of once, and not believed', () => {
    const { ask, told } = asking();
    for (const client of ['203.0.113.7', '203.0.113.8'])
      expect(ask('10.0.0.1', { 'x-forwarded-for': client })).toBe('10.0.0.1');
    expect(told).toEqual([{ address: '10.0.0.1' }]);
  });

  test('one address for everybody is told of once; several are not', () => {
    const one = asking();
    for (let n = 0; n < 1000; n++) one.ask('10.0.0.1');
    expect(one.told).toEqual([{ address: '10.0.0.1' }]);
    const several = asking();
    for (let n = 0; n < 1000; n++) several.ask(n % 2 === 0 ? '10.0.0.1' : '10.0.0.2');
    expect(several.told).toEqual([]);
  });
});
