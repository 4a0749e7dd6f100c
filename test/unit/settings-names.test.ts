import { describe, expect, test } from '@jest/globals';
import { messageOf } from '../../src/core/errors.ts';
import { loadSettings, settingsTable } from '../../src/server/settings.ts';

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
  expect(settingsTable).toHaveLength(47);
  expect(new Set(settingsTable.map(({ name }) => name)).size).toBe(settingsTable.length);
  for (const { name, description } of settingsTable) {
    expect(name).toMatch(/^TALLYLIGHT_[A-Z_]+$/);
    expect(description).toMatch(/^.+\.$/);
  }
  // The sandbox, which starts without any, has no place for these.
  const forProxies = ['TALLYLIGHT_OPAQUE_GRAPH_TOKENS', 'TALLYLIGHT_WORKERS', 'TALLYLIGHT_WORKER_LEAVE_MS'];
  const defaults = settingsTable.filter((row) => row.default !== '' && !forProxies.includes(row.name));
  expect(load(Object.fromEntries(defaults.map((row) => [row.name, row.default])))).toEqual(load({}));
});
