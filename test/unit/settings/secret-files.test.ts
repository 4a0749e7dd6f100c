import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { messageOf } from '../../../src/core/errors.ts';
import { changedSettings } from '../../../src/settings/changes.ts';
import { secretFiles } from '../../../src/settings/secret-files.ts';
import { loadSettings, type ProxySettings, settingsTable } from '../../../src/settings/settings.ts';
import { base, client } from '../../support/settings.ts';

const place = mkdtempSync(join(tmpdir(), 'tallylight-secrets-'));
afterAll(() => rmSync(place, { recursive: true }));

const { TALLYLIGHT_GRAPH_CREDENTIAL: credential, ...others } = base;
const redisUrl = 'redis://:hunter2!@redis.internal:6379/1';

function file(name: string, content: string): string {
  writeFileSync(join(place, name), content);
  return join(place, name);
}

function load(env: Readonly<Record<string, string>>): ProxySettings {
  const settings = loadSettings(env);
  if (settings.mode !== 'proxy') throw new Error('the sandbox was chosen');
  return settings;
}

function complaints(env: Readonly<Record<string, string>>): string[] {
  try {
    loadSettings(env);
  } catch (error) {
    expect(error).toBeFault('ConfigurationInvalid');
    return messageOf(error).split('\n  ').slice(1);
  }
  throw new Error('the settings were accepted');
}

test('every setting that can hold a secret has one that names a file, and the table says so', () => {
  const names = ['TALLYLIGHT_GRAPH_CREDENTIAL_FILE', 'TALLYLIGHT_REDIS_URL_FILE'];
  expect(secretFiles.map(({ row }) => row.name)).toEqual(names);
  const table = settingsTable.map(({ name }) => name);
  for (const name of names) expect(table[table.indexOf(name.replace(/_FILE$/, '')) + 1]).toBe(name);
});

describe('a secret in a file', () => {
  test.each(['', '\n', '\r\n'])('is that of the setting, without the line break %j at its end', (end) => {
    const settings = load({
      ...others,
      TALLYLIGHT_REDIS_URL_FILE: file('redis', redisUrl + end),
      TALLYLIGHT_GRAPH_CREDENTIAL_FILE: file('credential', credential + end),
    });
    expect(settings).toEqual(load({ ...base, TALLYLIGHT_REDIS_URL: redisUrl }));
    expect(settings.graphCredentials).toMatchObject([{ clientSecret: client.clientSecret }]);
  });

  test('may be YAML, and its file may be named in the file of settings', () => {
    const lines = `tenant: ${client.tenant}\nclientId: client\nclientSecretFile: ${file('secret', 'hunter2!\n')}\n`;
    const config = file(
      'settings.yaml',
      `TALLYLIGHT_GRAPH_CREDENTIAL_FILE: ${file('credential.yaml', lines)}\n`,
    );
    expect(load({ ...others, TALLYLIGHT_CONFIG: config })).toEqual(load(base));
  });

  test.each([
    ['missing', () => join(place, 'nowhere'), 'names a file that cannot be read (ENOENT)'],
    ['a folder', () => (mkdirSync(join(place, 'folder')), join(place, 'folder')), 'cannot be read (EISDIR)'],
    ['below a file', () => join(file('flat', 'x'), 'deeper'), 'cannot be read (ENOTDIR)'],
    ['empty', () => file('empty', ''), 'is an empty file'],
    ['a line break', () => file('break', '\n'), 'is an empty file'],
    ['two line breaks behind it', () => file('breaks', `${redisUrl}\n\n`), 'ends with a line break'],
    ['a blank behind it', () => file('blank', `${redisUrl} \n`), 'begins or ends with white space'],
    ['a byte order mark', () => file('bom', `\uFEFF${redisUrl}`), 'begins or ends with white space'],
    ['two lines', () => file('two', `redis://:hunter2!\n@redis.internal`), 'more than one line'],
    ['the value of another setting', () => file('other', credential), 'must begin with redis://'],
    ['named by nothing', () => '', 'is empty: give it a value, or leave it out'],
    ['the value itself', () => redisUrl, 'names a file that cannot be read (ENOENT)'],
  ])('stops the start if it is %s, with the name of the setting and nothing else', (_what, path, told) => {
    const given = path();
    const said = complaints({ ...base, TALLYLIGHT_REDIS_URL_FILE: given });
    for (const complaint of said) {
      expect(complaint).toMatch(/^TALLYLIGHT_REDIS_URL_FILE\b/);
      expect(complaint).not.toMatch(/hunter2/);
      if (given !== '') expect(complaint).not.toContain(given);
    }
    expect(said[0]).toContain(told);
  });

  test.each([
    ['no JSON', '{ "tenant": ', 'is not valid YAML or JSON'],
    ['comments only', '# nothing\n', 'is empty: give it a value'],
    ['a field that does not exist', JSON.stringify({ ...client, secret: 'hunter2!' }), 'secret'],
    ['no secret', JSON.stringify({ ...client, clientSecret: undefined }), 'must have exactly one of'],
  ])('stops the start if a structured one is %s; that it is missing is not told', (_what, content, told) => {
    const [complaint, ...more] = complaints({
      ...others,
      TALLYLIGHT_GRAPH_CREDENTIAL_FILE: file('bad', content),
    });
    expect(more).toEqual([]);
    expect(complaint).toMatch(/^TALLYLIGHT_GRAPH_CREDENTIAL_FILE: TALLYLIGHT_GRAPH_CREDENTIAL\b/);
    expect(complaint).toContain(told);
    expect(complaint).not.toMatch(/hunter2/);
  });

  test('and beside it are not both taken, wherever they are given, be they equal', () => {
    const env = { ...others, TALLYLIGHT_GRAPH_CREDENTIAL_FILE: file('same', credential) };
    expect(complaints({ ...env, TALLYLIGHT_GRAPH_CREDENTIAL: credential })).toEqual([
      'TALLYLIGHT_GRAPH_CREDENTIAL_FILE and TALLYLIGHT_GRAPH_CREDENTIAL are both set: remove one of the two',
    ]);
    const config = file('both.yaml', `TALLYLIGHT_GRAPH_CREDENTIAL: ${credential}\n`);
    expect(complaints({ ...env, TALLYLIGHT_CONFIG: config })).toEqual([
      'TALLYLIGHT_GRAPH_CREDENTIAL_FILE and TALLYLIGHT_GRAPH_CREDENTIAL are both set: remove one of the two',
    ]);
    const named = file('named.yaml', `TALLYLIGHT_GRAPH_CREDENTIAL_FILE: ${join(place, 'same')}\n`);
    expect(complaints({ ...base, TALLYLIGHT_CONFIG: named })).toEqual([
      `${named}:1: TALLYLIGHT_GRAPH_CREDENTIAL_FILE and TALLYLIGHT_GRAPH_CREDENTIAL are both set: remove one of the two`,
    ]);
  });

  test('of a setting that is no secret is no setting', () => {
    expect(complaints({ ...base, TALLYLIGHT_ISSUERS_FILE: 'x' })).toEqual([
      'TALLYLIGHT_ISSUERS_FILE is not a setting: TALLYLIGHT_ISSUERS cannot be read from a file of its own; the file that TALLYLIGHT_CONFIG names can hold it',
    ]);
  });
});

test('a change is told by the names of the settings that have changed', () => {
  const before = load({ ...others, TALLYLIGHT_GRAPH_CREDENTIAL_FILE: file('rotated', credential) });
  expect(changedSettings(before, load(base))).toEqual([]);
  const rotated = JSON.stringify({ ...client, clientSecret: 'another' });
  const after = load({
    ...others,
    TALLYLIGHT_GRAPH_CREDENTIAL_FILE: file('rotated', rotated),
    TALLYLIGHT_MAX_UPLOADS: '7',
    TALLYLIGHT_REDIS_URL: redisUrl,
    TALLYLIGHT_REQUEST_START_HEADER: 'X-Request-Start',
    TALLYLIGHT_TRUSTED_PROXIES: '10.0.0.0/8',
  });
  expect(changedSettings(before, after).toSorted()).toEqual([
    'TALLYLIGHT_GRAPH_CREDENTIAL',
    'TALLYLIGHT_MAX_UPLOADS',
    'TALLYLIGHT_REDIS_DURABILITY',
    'TALLYLIGHT_REDIS_NOEVICTION',
    'TALLYLIGHT_REDIS_URL',
    'TALLYLIGHT_REDIS_WAIT_REPLICAS',
    'TALLYLIGHT_REQUEST_START_HEADER',
    'TALLYLIGHT_TRUSTED_PROXIES',
  ]);
});

test('every setting of a running proxy can be told by its name', () => {
  const settings = load({ ...base, TALLYLIGHT_REDIS_URL: redisUrl });
  const unnamed = Object.keys(settings).filter(
    (key) => changedSettings(settings, { ...settings, [key]: 'another' }).length !== 1,
  );
  // Of these one is no setting, and the other is many.
  expect(unnamed).toEqual(['mode', 'limits']);
});
