import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { canonicalJson, sha256 } from '../../../src/core/call/evidence.ts';
import { defaultPolicy, strictestRules } from '../../../src/core/call/policy.ts';
import { messageOf } from '../../../src/core/errors.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { Log } from '../../../src/core/ports/log.ts';
import { createPolicySet, loadPolicies } from '../../../src/policies/load.ts';

const root = join(import.meta.dirname, '../../../policies');
const tenant = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';
const app = 'c4d5e6f7-1a2b-4c3d-9e8f-0a1b2c3d4e5f';
const elsewhere = '11111111-2222-4333-8444-555555555555';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'policies-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Readonly<Record<string, string>>): string {
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return folder;
}

/** What the load says of these files, without the folder in front. */
function complaint(files: Readonly<Record<string, string>>): string {
  const directory = write(files);
  try {
    loadPolicies(directory);
  } catch (error) {
    expect(error).toBeFault('ConfigurationInvalid');
    return messageOf(error).replaceAll(`${directory}/`, '');
  }
  throw new Error('the policies were loaded');
}

describe('what is loaded', () => {
  test('a file only names what it changes; the rest is the strictest', () => {
    write({ 'bank.yaml': `name: bank\nmatch: { tenants: [${tenant}] }\nonStartRefused: hangUp\n` });
    expect(loadPolicies(folder)[0]).toMatchObject({
      ...strictestRules,
      name: 'bank',
      match: { tenants: [tenant] },
      onStartRefused: 'hangUp',
    });
  });

  test('JSON, YAML and YML directly in the folder; nothing else', () => {
    write({
      'a.json': `{"name":"a","match":{"apps":["${app}"]}}`,
      'b.yaml': `name: b\nmatch: { tenants: [${tenant}] }`,
      'c.YML': 'name: c\nmatch: {}',
      'policy.schema.json': '{"not":"a policy"}',
      'README.md': '# not a policy',
      '.hidden.yaml': 'not: a policy',
      'examples/d.yaml': 'not: a policy',
      'folder.yaml/e.yaml': 'not: a policy',
    });
    expect(loadPolicies(folder).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  test('without a policy for everybody, the strictest one is for them', () => {
    write({ 'a.yaml': `name: a\nmatch: { apps: [${app}] }` });
    expect(loadPolicies(folder)).toContainEqual(defaultPolicy);
    expect(loadPolicies(write({ 'b.yaml': 'name: b\nmatch: {}' }))).not.toContainEqual(defaultPolicy);
  });

  test('letter case, order and repetition of ids do not change the digest; meaning does', () => {
    const digest = (match: string): string | undefined =>
      loadPolicies(write({ 'a.yaml': `name: a\nmatch: ${match}` }))[0]?.digest;
    const one = digest(`{ apps: [${app}, ${tenant}] }`);
    expect(digest(`{ apps: [${tenant.toUpperCase()}, ${app}, ${app}] }`)).toBe(one);
    expect(digest(`{ apps: [${app}] }`)).not.toBe(one);
  });
});

describe('what is wrong is told with its file, its line and what is allowed', () => {
  const cases: readonly [string, string, string][] = [
    [
      'an unknown key',
      'name: a\nmatch: {}\ndrainsMs: 5',
      'a.yaml:3: drainsMs is not known here; allowed: $schema, name,',
    ],
    [
      'an unknown key inside match',
      'name: a\nmatch:\n  tenant: x',
      'a.yaml:3: match.tenant is not known here; allowed: tenants, apps',
    ],
    [
      'a value that is none of the choices',
      'name: a\nmatch: {}\nappAlias: yes',
      'a.yaml:3: appAlias must be "refuse" or "forward"',
    ],
    [
      'a number out of range',
      'name: a\nmatch: {}\ndrainMs: 60001',
      'a.yaml:3: drainMs must be at most 60000',
    ],
    ['a negative number', 'name: a\nmatch: {}\ndrainMs: -1', 'a.yaml:3: drainMs must be at least 0'],
    ['a broken number', 'name: a\nmatch: {}\ndrainMs: 1.5', 'a.yaml:3: drainMs must be a whole number'],
    [
      'an id that is no GUID',
      'name: a\nmatch:\n  apps:\n    - x',
      'a.yaml:4: match.apps[0] must be a GUID such as',
    ],
    [
      'an empty list',
      'name: a\nmatch:\n  apps: []',
      'a.yaml:3: match.apps must not be empty: omit it to match all',
    ],
    ['no name', 'match: {}', 'a.yaml:1: name is missing'],
    ['no match', 'name: a', 'a.yaml:1: match is missing'],
    ['a name that is no name', 'name: ""\nmatch: {}', 'a.yaml:1: name must be 1 to 64 letters'],
    [
      'a key twice',
      'name: a\nmatch: {}\nname: b',
      'a.yaml:3:1: this is not valid YAML or JSON (duplicate key)',
    ],
    ['broken syntax', 'name: a\nmatch: {', 'a.yaml:2:9: this is not valid YAML or JSON'],
    ['an empty file', '', 'a.yaml:1: a policy must be an object with named fields'],
    ['a list', '- name: a', 'a.yaml:1: a policy must be an object with named fields'],
    ['an unresolved alias', 'name: *a\nmatch: {}', 'a.yaml:1: '],
  ];

  test.each(cases)('%s', (_name, text, expected) => {
    expect(complaint({ 'a.yaml': text })).toContain(expected);
  });

  test('JSON has lines and duplicate keys too', () => {
    expect(complaint({ 'a.json': '{\n  "name": "a",\n  "name": "b",\n  "match": {}\n}' })).toContain(
      'a.json:3:3: this is not valid YAML or JSON (duplicate key)',
    );
    expect(complaint({ 'a.json': '{\n  "name": "a",\n  "match": {},\n  "drainMs": "5"\n}' })).toContain(
      'a.json:4: drainMs must be a whole number',
    );
  });

  test('two policies with one name stop the start, with both places', () => {
    const text = complaint({
      'a.yaml': `match: { apps: [${app}] }\nname: same`,
      'b.yaml': `name: same\nmatch: { tenants: [${tenant}] }`,
    });
    expect(text).toContain('a.yaml:2: the name "same" is also used at ');
    expect(text).toContain('b.yaml:1; ');
  });

  test.each([
    ['two for everybody', '{}', '{}'],
    ['two for one tenant', `{ tenants: [${tenant}, ${elsewhere}] }`, `{ tenants: [${tenant}] }`],
    ['two for one application', `{ apps: [${app}] }`, `{ apps: [${app.toUpperCase()}] }`],
  ])('%s stop the start, with both places', (_name, one, two) => {
    const text = complaint({ 'a.yaml': `name: a\nmatch: ${one}`, 'b.yaml': `name: b\n\nmatch: ${two}` });
    expect(text).toContain('a.yaml:2: "a" and "b" (b.yaml:3) match the same callers equally specifically');
  });

  test('all mistakes of all files are listed', () => {
    const text = complaint({
      'a.yaml': 'name: a\nmatch: {}\ndrainMs: x\nappAlias: y',
      'b.yaml': 'name: b\nmatch: {}',
      'c.yaml': 'name: b\nmatch: {}\nnope: 1',
      'd.yaml': 'name: d\nmatch: {}',
    });
    for (const place of ['a.yaml:3: ', 'a.yaml:4: ', 'b.yaml:2: ', 'c.yaml:3: '])
      expect(text).toContain(place);
  });

  test('a folder that is not there stops the start', () => {
    expect(() => loadPolicies(join(folder, 'nowhere'))).toThrow(/policy directory cannot be read/);
  });
});

describe('a policy set', () => {
  function recorder() {
    const said: { level: string; facts: JsonObject; text: string }[] = [];
    const at = (level: string) => (facts: JsonObject, text: string) => void said.push({ level, facts, text });
    const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
    const reloads: boolean[] = [];
    const loaded: string[] = [];
    const meter = {
      policyReload: (ok: boolean) => void reloads.push(ok),
      loaded: (what: string) => void loaded.push(what),
    };
    return { said, reloads, loaded, deps: { log, meter } };
  }

  test('finds the most specific policy for a caller', () => {
    write({
      'both.yaml': `name: both\nmatch: { tenants: [${tenant}], apps: [${app}] }`,
      'app.yaml': `name: app\nmatch: { apps: [${app}] }`,
      'tenant.yaml': `name: tenant\nmatch: { tenants: [${tenant}] }`,
      'all.yaml': 'name: all\nmatch: {}',
    });
    const { policyFor } = createPolicySet(folder, recorder().deps);
    expect(policyFor({ tenant, app }).name).toBe('both');
    expect(policyFor({ tenant: elsewhere, app }).name).toBe('app');
    expect(policyFor({ tenant, app: elsewhere }).name).toBe('tenant');
    expect(policyFor({ tenant: elsewhere, app: elsewhere }).name).toBe('all');
    expect(policyFor(null).name).toBe('all');
  });

  test('a reload puts the new files in force, and names them', () => {
    const { said, reloads, loaded, deps } = recorder();
    write({ 'a.yaml': 'name: before\nmatch: {}' });
    const set = createPolicySet(folder, deps);
    expect(loaded).toEqual(['policies']);
    write({ 'a.yaml': 'name: after\nmatch: {}' });
    expect(set.policyFor(null).name).toBe('before');
    set.reload();
    expect(set.policyFor(null).name).toBe('after');
    expect(set.all.map(({ name }) => name)).toEqual(['after']);
    expect(reloads).toEqual([true]);
    expect(said.at(-1)?.facts.policies).toEqual([{ name: 'after', digest: set.all[0]?.digest }]);
  });

  test('a bad file keeps all old policies in force, is told and is counted', () => {
    const { said, reloads, deps } = recorder();
    write({ 'a.yaml': 'name: before\nmatch: {}' });
    const set = createPolicySet(folder, deps);
    write({ 'a.yaml': 'name: after\nmatch: {}', 'b.yaml': 'name: b\nwrong: 1' });
    set.reload();
    expect(set.policyFor(null).name).toBe('before');
    expect(reloads).toEqual([false]);
    expect(said.at(-1)).toMatchObject({ level: 'error' });
    expect(said.at(-1)?.facts.error).toContain('b.yaml:2: wrong is not known here');
  });

  test('a bad file at the start stops it', () => {
    write({ 'a.yaml': 'name: a' });
    expect(() => createPolicySet(folder, recorder().deps)).toThrow(/a\.yaml:1: match is missing/);
  });

  test("without a directory, the package's own policies are in force", () => {
    expect(createPolicySet(undefined, recorder().deps).all).toEqual([defaultPolicy]);
  });
});

describe('the files that come with the package', () => {
  test('the default file is the strictest policy, and spells out every field', () => {
    expect(loadPolicies(root)).toEqual([defaultPolicy]);
    const text = JSON.parse(readFileSync(join(root, 'default.json'), 'utf8')) as Record<string, unknown>;
    expect(Object.keys(text).toSorted()).toEqual(
      ['$schema', 'name', 'match', ...Object.keys(strictestRules)].sort(),
    );
  });

  test('the README tells the digest of the default, as it is recomputed, and every field with its default', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const { $schema, ...fields } = JSON.parse(readFileSync(join(root, 'default.json'), 'utf8')) as JsonObject;
    expect($schema).toBe('./policy.schema.json');
    expect(`sha256:${sha256(canonicalJson(fields))}`).toBe(defaultPolicy.digest);
    expect(readme).toContain(defaultPolicy.digest);
    for (const [field, value] of Object.entries(strictestRules)) {
      const row = readme.split('\n').find((line) => line.startsWith(`| \`${field}\` `));
      expect(row?.split('|')[3]?.trim()).toBe(Array.isArray(value) ? 'none' : `\`${String(value)}\``);
    }
  });

  test('the worked example of the README is true', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const files = [...readme.matchAll(/```yaml\n# (\S+)\n(.*?)```/gs)].map(
      ([, name = '', text = '']) => [name, `# ${name}\n${text}`] as const,
    );
    expect(files.map(([name]) => name)).toEqual(['everybody.yaml', 'bank.yaml']);
    const { policyFor } = createPolicySet(write(Object.fromEntries(files)), {
      log: { debug() {}, info() {}, warn() {}, error() {} },
      meter: { policyReload() {}, loaded() {} },
    });
    expect(policyFor({ tenant, app })).toMatchObject({
      name: 'bank',
      onStartRefused: 'hangUp',
      mediaReads: 'asRouted',
    });
    expect(policyFor({ tenant: elsewhere, app }).name).toBe('everybody');
    const broken = Object.fromEntries(
      files.map(([name, text]) => [name, text.replace(/match:\n.*\n/, 'match: {}\n')]),
    );
    const told = readme.split('\n').find((line) => line.startsWith('bank.yaml:'));
    expect(complaint(broken)).toContain(told);
  });

  test.each([
    ['bank-hang-up.yaml', { onStartRefused: 'hangUp', drainMs: 1000, mediaReads: 'refuse' }],
    ['service-hosted-bot.yaml', { recordResponse: 'whileRecording', updateMetadata: 'whileRecording' }],
    ['uploader.json', { mediaReads: 'whileRecording', uploaders: ['e7f8a9b0-c1d2-4e3f-a4b5-c6d7e8f9a0b1'] }],
  ])('the example %s says what its file is about, and nothing else', (name, rules) => {
    write({ [name]: readFileSync(join(root, 'examples', name), 'utf8') });
    expect(loadPolicies(folder)[0]).toMatchObject({ ...strictestRules, ...rules });
  });

  test('all examples can be in force together with the default', () => {
    const names = readdirSync(join(root, 'examples'));
    expect(names).toHaveLength(3);
    for (const name of names) write({ [name]: readFileSync(join(root, 'examples', name), 'utf8') });
    write({ 'default.json': readFileSync(join(root, 'default.json'), 'utf8') });
    expect(loadPolicies(folder)).toHaveLength(4);
  });
});
