import { describe, expect, test } from '@jest/globals';
import { doubtsOf } from '../../../src/settings/doubts.ts';
import { loadSettings } from '../../../src/settings/settings.ts';
import { complaint, issuer as botIssuer, load } from '../../support/settings.ts';

const port = { TALLYLIGHT_CONSOLE_PORT: '9091' };
const issuer = {
  issuer: 'https://login.example',
  audience: 'api://console',
  jwksUri: 'https://login.example/keys',
};
const issuers = { TALLYLIGHT_CONSOLE_ISSUERS: [issuer] };
const tls = { TALLYLIGHT_TLS_CERT_FILE: 'cert', TALLYLIGHT_TLS_KEY_FILE: 'key' };
const everywhere = { TALLYLIGHT_CONSOLE_HOST: '0.0.0.0' };

describe('the console', () => {
  test('is off until it has a port, and on loopback then', () => {
    expect(load({}).console).toBeUndefined();
    expect(load(port).console).toEqual({ port: 9091, host: '127.0.0.1', hosts: [], issuers: [] });
  });

  test('may be elsewhere with TLS and issuers', () => {
    const hosts = { TALLYLIGHT_CONSOLE_HOSTS: 'Console.example, 10.0.0.1' };
    expect(load({ ...port, ...everywhere, ...tls, ...issuers, ...hosts }).console).toEqual({
      ...{ port: 9091, host: '0.0.0.0', hosts: ['console.example', '10.0.0.1'] },
      issuers: [issuer],
    });
  });

  test.each([
    ['TALLYLIGHT_TLS_CERT_FILE and TALLYLIGHT_TLS_KEY_FILE', { ...port, ...everywhere, ...issuers }],
    ['TALLYLIGHT_CONSOLE_ISSUERS', { ...port, ...everywhere, ...tls }],
    [
      'TALLYLIGHT_TLS_CERT_FILE and TALLYLIGHT_TLS_KEY_FILE and TALLYLIGHT_CONSOLE_ISSUERS',
      { ...port, ...everywhere },
    ],
  ])('elsewhere without %s stops the start', (missing, settings) => {
    expect(complaint(settings)).toContain(
      `TALLYLIGHT_CONSOLE_HOST is not a loopback address, so anybody could act there: set ${missing}, or leave the console on loopback`,
    );
  });

  test.each([
    ['TALLYLIGHT_CONSOLE_HOST', everywhere],
    ['TALLYLIGHT_CONSOLE_HOSTS', { TALLYLIGHT_CONSOLE_HOSTS: 'console.example' }],
    ['TALLYLIGHT_CONSOLE_ISSUERS', issuers],
  ])('that has %s and no port stops the start', (name, settings) => {
    expect(complaint(settings)).toContain(`TALLYLIGHT_CONSOLE_PORT is missing: it is required by ${name}`);
  });

  test.each([
    ['TALLYLIGHT_PORT and TALLYLIGHT_CONSOLE_PORT', { TALLYLIGHT_PORT: '9091' }],
    ['TALLYLIGHT_ADMIN_PORT and TALLYLIGHT_CONSOLE_PORT', { TALLYLIGHT_ADMIN_PORT: '9091' }],
  ])('on another port of the proxy stops the start: %s', (names, settings) => {
    expect(complaint({ ...port, ...settings })).toContain(`${names} are the same: set two different ports`);
  });

  test.each([
    [{ TALLYLIGHT_CONSOLE_PORT: '65536' }, 'TALLYLIGHT_CONSOLE_PORT must be a whole number'],
    [{ TALLYLIGHT_CONSOLE_HOST: 'http://x' }, 'TALLYLIGHT_CONSOLE_HOST must be a host name'],
    [{ TALLYLIGHT_CONSOLE_HOSTS: 'console.example:443' }, 'must be a host name or an IP address'],
    [{ TALLYLIGHT_CONSOLE_HOSTS: 'https://console.example' }, 'must be a host name or an IP address'],
    [{ TALLYLIGHT_CONSOLE_ISSUERS: [] }, 'TALLYLIGHT_CONSOLE_ISSUERS'],
    [{ TALLYLIGHT_CONSOLE_ISSUERS: [{ ...issuer, jwksUri: 'http://login.example' }] }, 'jwksUri'],
    [{ TALLYLIGHT_CONSOLE_ISSUERS: [{ ...issuer, roles: ['Admin'] }] }, 'roles'],
    [{ TALLYLIGHT_CONSOLE_ISSUERS: [{ ...issuer, algorithms: ['HS256'] }] }, 'algorithms'],
    [{ TALLYLIGHT_CONSOLE_ISSUERS: [{ ...issuer, tenantsClaim: 'a claim' }] }, 'tenantsClaim'],
    [{ TALLYLIGHT_MAX_CONSOLE_LISTENERS: '0' }, 'TALLYLIGHT_MAX_CONSOLE_LISTENERS'],
  ])('with %j stops the start', (settings, text) => {
    expect(complaint({ ...port, ...settings })).toContain(text);
  });

  test('that shares its audience with the bots is doubtful', () => {
    const shared = { ...port, TALLYLIGHT_CONSOLE_ISSUERS: [botIssuer] };
    expect(doubtsOf(load(shared)).map(({ setting }) => setting)).toContain(
      'TALLYLIGHT_CONSOLE_ISSUERS[0].audience',
    );
    expect(
      doubtsOf(load({ ...port, ...issuers })).filter(({ setting }) => setting.includes('CONSOLE')),
    ).toEqual([]);
  });
});

describe('the console of the sandbox', () => {
  test('is on the fifth port after that of the proxy, unless it is moved', () => {
    expect(loadSettings({}).console).toMatchObject({ port: 8085, host: '127.0.0.1' });
    expect(loadSettings({ TALLYLIGHT_PORT: '0' }).console).toMatchObject({ port: 0 });
    expect(loadSettings({ TALLYLIGHT_CONSOLE_PORT: '9000' }).console).toMatchObject({ port: 9000 });
  });

  test('takes no issuers, and is nowhere else', () => {
    for (const name of ['TALLYLIGHT_CONSOLE_HOST', 'TALLYLIGHT_CONSOLE_HOSTS'])
      expect(() => loadSettings({ [name]: 'x.example' })).toThrow('TALLYLIGHT_GRAPH_URL is missing');
  });
});
