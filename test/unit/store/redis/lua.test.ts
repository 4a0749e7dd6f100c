import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { closingEvents, nextState, stateNames, transitions } from '../../../../src/core/call/state.ts';
import { scripts, type Script } from '../../../../src/store/redis/scripts.ts';

const folder = fileURLToPath(new URL('../../../../src/store/redis/lua/', import.meta.url));
const source = (name: string): string => readFileSync(`${folder}${name}.lua`, 'utf8');
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.lua'))
  .map((file) => file.replace('.lua', ''));
const registry: readonly (readonly [string, Script])[] = Object.entries(scripts);

const header =
  /^-- purpose: (.+)\n-- flags: .+\n-- KEYS: (.+)\n-- ARGV:(.*)\n-- reply: (.+)\n-- writes:(.*)\n/;
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
    const named = [...registry.map(([name]) => name.replace('Closing', '')), 'prelude', 'prelude-shard'];
    expect([...new Set(named)].sort()).toEqual([...files].sort());
    for (const [name, script] of registry) expect(script.name).toBe(name);
  });

  test.each(registry)('%s takes what its header and the registry say', (name, script) => {
    const text = source(name.replace('Closing', ''));
    const [, , keys, args, , writes] = header.exec(text) ?? [];
    expect(words(keys)).toEqual(script.keys);
    expect(words(args)).toEqual(script.args);
    expect(unpacked(text, 'KEYS')).toEqual(script.keys);
    expect(unpacked(text, 'ARGV')).toEqual(script.args);
    expect(script.keys).toEqual(expect.arrayContaining(words(writes)));
  });

  /** Why each is taken, or refused, by a store that has reached the limit of its memory. */
  const whenFull: Readonly<Record<keyof typeof scripts, readonly ['taken' | 'refused', why: string]>> = {
    read: ['taken', 'a stop begins with it'],
    commit: ['refused', 'it may open'],
    commitClosing: ['taken', 'it closes, and its evidence with it'],
    acquire: ['refused', 'it admits'],
    leave: ['taken', 'a stop waits for it'],
    touch: ['refused', 'it may wait'],
    idle: ['taken', 'it leads to the end of calls'],
    due: ['taken', 'it leads to room'],
    sweep: ['taken', 'it makes room'],
    begin: ['refused', 'a session that holds calls in a full shard is not extended'],
    settle: ['refused', 'it lets status changes through'],
    enrol: ['refused', 'it leads to open gates'],
    join: ['refused', 'it leads to open gates'],
    heartbeat: ['refused', 'it keeps gates open'],
    revoke: ['taken', 'a stop needs it'],
    lease: ['taken', 'evidence that is written makes room'],
    release: ['taken', 'another may make room'],
    claim: ['taken', 'evidence that is written makes room'],
    holds: ['taken', 'an instance closes by it'],
    hold: ['refused', 'a release, and holds that are known again, lead to open gates'],
    holdClosing: ['taken', 'a hold closes'],
    report: ['refused', 'counts of refused writes are kept in memory and told later'],
  };

  test.each(Object.entries(whenFull))('%s says whether a full store is to take it: %j', (name, [when]) => {
    const { lua } = scripts[name as keyof typeof scripts];
    const [shebang] = lua.split('\n');
    expect(shebang).toBe(when === 'taken' ? '#!lua flags=allow-oom' : '#!lua');
    expect(source(name.replace('Closing', ''))).toMatch(
      when === 'taken' ? /^-- flags: .*allow-oom/m : /^-- flags: none/m,
    );
  });

  test('know every event that closes as one, and none that opens', () => {
    expect(closingEvents).not.toContain('startRequested');
    for (const event of closingEvents)
      for (const from of stateNames)
        expect(nextState(from, event) === 'recording' && from !== 'recording').toBe(false);
    const opening = Object.keys(transitions).filter((event) =>
      /^(startRequested|startConfirmed|repeatRequested)$/.test(event),
    );
    expect(opening).toHaveLength(3);
    for (const event of opening) expect(closingEvents).not.toContain(event);
  });

  test.each(files.filter((name) => !name.startsWith('prelude')))(
    '%s asks for each command that writes before the first of them',
    (name) => {
      const text = source(name);
      const asked = [...text.matchAll(/\bready\(([\s\S]*?)\)\n/g)].map(([, needs]) => needs).join();
      const first = text.indexOf('ready(');
      for (const write of text.matchAll(/redis\.call\((?:'([A-Z]+)'|(how)), (\w+)/g)) {
        const [, command, variable, key] = write;
        if (/^(HGET|HMGET|HGETALL|GET|EXISTS|ZRANGE|ZSCORE)$/.test(command ?? '')) continue;
        expect(first).toBeGreaterThanOrEqual(0);
        expect(write.index).toBeGreaterThan(first);
        const named = variable ?? `'${command}'`;
        expect(asked).toMatch(new RegExp(`\\{ ${key}, '\\w+',[^}]*${named}[^}]*\\}`));
      }
    },
  );

  test.each(files)('%s is short, builds no key name and spells no state', (name) => {
    const text = source(name);
    expect(text.split('\n').length).toBeLessThanOrEqual(61);
    expect(text).not.toMatch(/[^.]\.\.[^.]/);
    for (const state of stateNames) expect(text).not.toMatch(new RegExp(`['"]${state}['"]`));
  });
});
