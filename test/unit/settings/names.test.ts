import { describe, expect, test } from '@jest/globals';
import { messageOf } from '../../../src/core/errors.ts';
import { loadSettings, settingsTable } from '../../../src/settings/settings.ts';

type Env = Readonly<Record<string, string>>;

const load = (env: Env) => loadSettings(env);

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

describe('names', () => {
  test.each([
    ['TALLYLIGHT_REDIS', 'TALLYLIGHT_REDIS_URL'],
    ['tallylight_port', 'TALLYLIGHT_PORT'],
    ['TALLYLIGHT_GRAPHURL', 'TALLYLIGHT_GRAPH_URL'],
    ['TALLYLIGHT_SESSION_TTL', 'TALLYLIGHT_SESSION_TTL_MS'],
  ])('%s stops the start, with the nearest name', (name, nearest) => {
    expect(complaints({ [name]: '1' })).toEqual([`${name} is not a setting; the nearest is ${nearest}`]);
  });

  test('what Kubernetes adds for a Service of the same name is explained', () => {
    for (const name of [
      'TALLYLIGHT_SERVICE_HOST',
      'TALLYLIGHT_SERVICE_PORT_HTTP',
      'TALLYLIGHT_PORT_8080_TCP_ADDR',
    ])
      expect(complaints({ [name]: '1' })).toEqual([expect.stringContaining('enableServiceLinks: false')]);
  });

  test.each<[string, Env]>([
    [
      'tallylight-redis-master',
      {
        TALLYLIGHT_REDIS_MASTER_SERVICE_HOST: '10.0.0.2',
        TALLYLIGHT_REDIS_MASTER_SERVICE_PORT: '6379',
        TALLYLIGHT_REDIS_MASTER_SERVICE_PORT_TCP_REDIS: '6379',
        TALLYLIGHT_REDIS_MASTER_PORT: 'tcp://10.0.0.2:6379',
        TALLYLIGHT_REDIS_MASTER_PORT_6379_TCP: 'tcp://10.0.0.2:6379',
        TALLYLIGHT_REDIS_MASTER_PORT_6379_TCP_PROTO: 'tcp',
        TALLYLIGHT_REDIS_MASTER_PORT_6379_TCP_ADDR: '10.0.0.2',
      },
    ],
    // Its port has the name of a setting.
    [
      'tallylight-admin',
      { TALLYLIGHT_ADMIN_SERVICE_HOST: 'fd00::3', TALLYLIGHT_ADMIN_PORT: 'tcp://[fd00::3]:9090' },
    ],
    ['tallylight', { TALLYLIGHT_PORT: 'udp://10.0.0.4:53', TALLYLIGHT_PORT_53_UDP_PORT: '53' }],
    ['tallylight-x2', { TALLYLIGHT_X2_PORT_9_SCTP_PORT: '9' }],
  ])('what Kubernetes adds for the Service %s is explained, once', (service, env) => {
    const [told, ...more] = complaints(env);
    expect(more).toEqual([]);
    expect(told).toContain(`for the Service "${service}": use enableServiceLinks: false`);
    expect(told).toContain(Object.keys(env)[0]);
  });

  test('the name of a port that Kubernetes did not write is a name like any other', () => {
    expect(complaints({ TALLYLIGHT_REDIS_PORT: '6379' })).toEqual([
      expect.stringContaining('is not a setting; the nearest is'),
    ]);
    expect(complaints({ TALLYLIGHT_ADMIN_PORT: '9090:9090' })).toEqual([
      expect.stringContaining('must be a whole number'),
    ]);
  });

  test('every wrong setting is listed, not only the first', () => {
    const text = complaints({
      TALLYLIGHT_PORT: 'x',
      TALLYLIGHT_DRAIN_MS: '-1',
      TALLYLIGHT_NOPE: '1',
      TALLYLIGHT_HOST: 'a b',
    });
    expect(text.map((line) => line.split(' ')[0]).toSorted()).toEqual([
      'TALLYLIGHT_DRAIN_MS',
      'TALLYLIGHT_HOST',
      'TALLYLIGHT_NOPE',
      'TALLYLIGHT_PORT',
    ]);
  });
});

test('the table has every setting once, described, with a default that is accepted', () => {
  expect(settingsTable.length).toBeGreaterThan(60);
  expect(new Set(settingsTable.map(({ name }) => name)).size).toBe(settingsTable.length);
  for (const { name, description } of settingsTable) {
    expect(name).toMatch(/^TALLYLIGHT_[A-Z_]+$/);
    expect(description).toMatch(/^.+\.$/);
  }
  // The sandbox, which starts without any, has no place for these.
  const forProxies = [
    'TALLYLIGHT_CONSOLE_HOST',
    'TALLYLIGHT_OPAQUE_GRAPH_TOKENS',
    'TALLYLIGHT_REQUEST_START_UNIT',
    'TALLYLIGHT_REQUEST_START_TOLERANCE_MS',
    'TALLYLIGHT_SHUTDOWN_DELAY_MS',
    'TALLYLIGHT_WORKERS',
    'TALLYLIGHT_WORKER_LEAVE_MS',
  ];
  const defaults = settingsTable.filter((row) => row.default !== '' && !forProxies.includes(row.name));
  expect(load(Object.fromEntries(defaults.map((row) => [row.name, row.default])))).toEqual(load({}));
});
