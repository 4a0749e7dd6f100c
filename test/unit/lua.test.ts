import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { stateNames } from '../../src/core/call-state.ts';
import { scripts, type Script } from '../../src/store/redis/scripts.ts';

const folder = fileURLToPath(new URL('../../src/store/redis/lua/', import.meta.url));
const source = (name: string): string => readFileSync(`${folder}${name}.lua`, 'utf8');
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.lua'))
  .map((file) => file.replace('.lua', ''));
const registry: readonly (readonly [string, Script])[] = Object.entries(scripts);

const header = /^-- purpose: (.+)\n-- KEYS: (.+)\n-- ARGV:(.*)\n-- reply: (.+)\n-- writes:(.*)\n/;
const words = (text: string | undefined): string[] => (text ?? '').split(' ').filter(Boolean);
const unpacked = (text: string, table: string): string[] =>
  words(new RegExp(`^local (.+) = unpack\\(${table}\\)$`, 'm').exec(text)?.[1]?.replaceAll(',', ''));

describe('the Lua scripts', () => {
  test('are what lua.generated.ts holds', () => {
    const { status, stderr } = spawnSync(process.execPath, [`${folder}build.mjs`, '--check'], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('are each registered once, under the name of their file', () => {
    expect([...registry.map(([name]) => name), 'prelude'].sort()).toEqual([...files].sort());
    for (const [name, script] of registry) expect(script.name).toBe(name);
  });

  test.each(registry)('%s takes what its header and the registry say', (name, script) => {
    const text = source(name);
    const [, , keys, args, , writes] = header.exec(text) ?? [];
    expect(words(keys)).toEqual(script.keys);
    expect(words(args)).toEqual(script.args);
    expect(unpacked(text, 'KEYS')).toEqual(script.keys);
    expect(unpacked(text, 'ARGV')).toEqual(script.args);
    expect(script.keys).toEqual(expect.arrayContaining(words(writes)));
  });

  test.each(files)('%s is short, builds no key name and spells no state', (name) => {
    const text = source(name);
    expect(text.split('\n').length).toBeLessThanOrEqual(61);
    expect(text).not.toMatch(/[^.]\.\.[^.]/);
    for (const state of stateNames) expect(text).not.toMatch(new RegExp(`['"]${state}['"]`));
  });
});
