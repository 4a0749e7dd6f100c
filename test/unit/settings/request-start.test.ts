import { describe, expect, test } from '@jest/globals';
import { createGate } from '../../../middleware/index.ts';
import { messageOf } from '../../../src/core/errors.ts';
import { loadSettings } from '../../../src/settings/settings.ts';
import { memoryStore } from '../../../src/store/memory.ts';

type Env = Readonly<Record<string, string>>;

const header = { TALLYLIGHT_REQUEST_START_HEADER: 'X-Request-Start' };
const proxies = { TALLYLIGHT_TRUSTED_PROXIES: '10.0.0.0/8' };

const load = (env: Env) =>
  loadSettings({
    TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.com',
    TALLYLIGHT_CONTROL_AUTH: 'graph',
    TALLYLIGHT_EVIDENCE_DIR: 'evidence',
    ...env,
  });

/** The complaints, one per line. */
function complaints(env: Env): string[] {
  try {
    load(env);
  } catch (error) {
    expect(error).toBeFault('ConfigurationInvalid');
    return messageOf(error).split('\n  ').slice(1);
  }
  throw new Error('the settings were accepted');
}

describe('the start of requests', () => {
  test('is asked for where a header is named, in milliseconds and with some tolerance', () => {
    expect(load({ ...header, ...proxies })).toMatchObject({
      requestStart: { header: 'X-Request-Start', unit: 'ms', toleranceMs: 100 },
    });
    expect(
      load({
        ...header,
        ...proxies,
        TALLYLIGHT_REQUEST_START_UNIT: 's',
        TALLYLIGHT_REQUEST_START_TOLERANCE_MS: '20',
      }),
    ).toMatchObject({ requestStart: { unit: 's', toleranceMs: 20 } });
    expect(load(proxies)).not.toHaveProperty('requestStart');
  });

  test('is never asked for without proxies that may tell it', () => {
    expect(complaints(header)).toEqual([
      'TALLYLIGHT_TRUSTED_PROXIES is missing: with TALLYLIGHT_REQUEST_START_HEADER only writes that come through a trusted proxy are admitted',
    ]);
  });

  test('has no unit and no tolerance without a header', () => {
    expect(
      complaints({
        ...proxies,
        TALLYLIGHT_REQUEST_START_UNIT: 's',
        TALLYLIGHT_REQUEST_START_TOLERANCE_MS: '20',
      }),
    ).toEqual([
      'TALLYLIGHT_REQUEST_START_HEADER is missing: it is required by TALLYLIGHT_REQUEST_START_UNIT and TALLYLIGHT_REQUEST_START_TOLERANCE_MS',
    ]);
  });

  test.each([
    ['TALLYLIGHT_REQUEST_START_HEADER', 'X Request Start'],
    ['TALLYLIGHT_REQUEST_START_HEADER', 'X-Request-Start:'],
    ['TALLYLIGHT_REQUEST_START_HEADER', 'Authorization'],
    ['TALLYLIGHT_REQUEST_START_HEADER', 'content-length'],
    ['TALLYLIGHT_REQUEST_START_HEADER', 'Tallylight-Call'],
    ['TALLYLIGHT_REQUEST_START_HEADER', 'X-Forwarded-For'],
    ['TALLYLIGHT_REQUEST_START_UNIT', 'seconds'],
    ['TALLYLIGHT_REQUEST_START_TOLERANCE_MS', '0'],
    ['TALLYLIGHT_REQUEST_START_TOLERANCE_MS', '60001'],
  ])('%s=%s stops the start', (name, value) => {
    expect(complaints({ ...header, ...proxies, [name]: value })).toEqual([expect.stringContaining(name)]);
  });

  test.each([
    [{ header: 'X-Request-Start' }, 'requestStart.trustedProxies'],
    [{ header: 'X-Request-Start', trustedProxies: [] }, 'requestStart.trustedProxies'],
    [{ header: 'X-Request-Start', trustedProxies: ['edge'] }, 'requestStart.trustedProxies[0]'],
    [{ header: '', trustedProxies: ['10.0.0.1'] }, 'requestStart.header'],
    [{ header: 'Authorization', trustedProxies: ['10.0.0.1'] }, 'requestStart.header'],
    [{ header: 'X', trustedProxies: ['10.0.0.1'], unit: 'min' }, 'requestStart.unit'],
    [{ header: 'X', trustedProxies: ['10.0.0.1'], toleranceMs: 0 }, 'requestStart.toleranceMs'],
  ])('%j is refused by the middleware', async (requestStart, place) => {
    const made = createGate({
      store: memoryStore(),
      issuers: [{ issuer: 'a', audience: 'a', jwksUri: 'https://a.example/keys' }],
      requestStart: requestStart as never,
    });
    await expect(made).rejects.toThrow(`${place}: `);
  });
});
