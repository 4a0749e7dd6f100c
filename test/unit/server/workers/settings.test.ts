import { describe, expect, test } from '@jest/globals';
import { loadSettings, type ProxySettings } from '../../../../src/settings/settings.ts';
import { prepareWorkerConfig, assertReloadable } from '../../../../src/server/workers/settings.ts';
import { silentLog } from '../../../support/world.ts';

const base = {
  TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.com',
  TALLYLIGHT_CONTROL_AUTH: 'graph',
  TALLYLIGHT_EVIDENCE_DIR: 'evidence',
  TALLYLIGHT_REDIS_URL: 'redis://localhost',
  TALLYLIGHT_WORKERS: '2',
};

const observed = {
  TALLYLIGHT_OBSERVE_UNTIL: new Date(Date.now() + 60_000).toISOString(),
  TALLYLIGHT_OBSERVE_TENANTS: '11111111-1111-1111-1111-111111111111',
};

const tls = { TALLYLIGHT_TLS_CERT_FILE: 'cert', TALLYLIGHT_TLS_KEY_FILE: 'key' };

function load(changes: Readonly<Record<string, string>> = {}): ProxySettings {
  const settings = loadSettings({ ...base, ...changes }, () => 'the content');
  if (settings.mode !== 'proxy') throw new Error('the sandbox was chosen');
  return settings;
}

describe('workers that are replaced', () => {
  test.each([
    ['TALLYLIGHT_HOST', { TALLYLIGHT_HOST: '127.0.0.2' }],
    ['TALLYLIGHT_PORT', { TALLYLIGHT_PORT: '8081' }],
    ['TALLYLIGHT_ADMIN_PORT', { TALLYLIGHT_ADMIN_PORT: '9091' }],
    ['TALLYLIGHT_TLS_CERT_FILE', tls],
    ['TALLYLIGHT_WORKERS', { TALLYLIGHT_WORKERS: '3' }],
    ['TALLYLIGHT_WORKERS', { TALLYLIGHT_WORKERS: '1' }],
    ['TALLYLIGHT_GRAPH_URL', { TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.us' }],
    ['TALLYLIGHT_GRAPH_TIMEOUT_MS', { TALLYLIGHT_GRAPH_TIMEOUT_MS: '500' }],
    ['TALLYLIGHT_REDIS_URL', { TALLYLIGHT_REDIS_URL: 'redis://elsewhere' }],
    ['TALLYLIGHT_REDIS_WAIT_REPLICAS', { TALLYLIGHT_REDIS_WAIT_REPLICAS: '1' }],
    ['TALLYLIGHT_SESSION_TTL_MS', { TALLYLIGHT_SESSION_TTL_MS: '900' }],
    ['TALLYLIGHT_EVIDENCE_DIR', { TALLYLIGHT_EVIDENCE_DIR: 'elsewhere' }],
    ['TALLYLIGHT_OBSERVE_UNTIL, TALLYLIGHT_OBSERVE_TENANTS', observed],
  ])('share %s with those that replace them', (name, change) => {
    expect(() => assertReloadable(load(), load(change))).toThrow(`${name} cannot be changed`);
  });

  test('are replaced by others with other limits, routes, policies and certificates', () => {
    assertReloadable(
      load(tls),
      load({
        ...tls,
        TALLYLIGHT_TLS_CERT_FILE: 'renewed',
        TALLYLIGHT_DRAIN_MS: '1',
        TALLYLIGHT_POLICY_DIR: 'elsewhere',
        TALLYLIGHT_MAX_UPLOADS: '7',
        TALLYLIGHT_WORKER_LEAVE_MS: '0',
        TALLYLIGHT_LOG_LEVEL: 'debug',
      }),
    );
  });

  test('never become a sandbox', async () => {
    await expect(prepareWorkerConfig(loadSettings({}), silentLog)).rejects.toThrow(
      'TALLYLIGHT_GRAPH_URL is missing',
    );
  });

  test('get what is whole after the way from process to process', async () => {
    const config = await prepareWorkerConfig(load({ TALLYLIGHT_MAX_UPLOADS: '7' }), silentLog);
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });
});
