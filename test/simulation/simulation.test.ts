import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { isLong } from '../support/depth.ts';
import { settingOf } from './plan.ts';
import { simulate } from './run.ts';
import { report, search, summary } from './search.ts';

const run = promisify(execFile);
const freshMs = isLong ? 45_000 : 5000;
const knownSeeds = isLong ? 30 : 6;
const patienceMs = 450_000;

/** Runs the command with a rule taken out of the product. */
const withMutant = (rule: string, ...args: string[]): Promise<{ code: number; stdout: string }> =>
  run(process.execPath, [
    fileURLToPath(new URL('simulate.mjs', import.meta.url)),
    '--mutant',
    rule,
    ...args,
  ]).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: unknown) => error as { code: number; stdout: string },
  );

type Found = [rule: string, store: 'memory' | 'redis', found: RegExp, ...more: string[]];

// What is taken out is told in mutants.mjs and redis-mutants.mjs; the product has no switch for it.
const mutants: readonly Found[] = [
  // Rules serve the laws: without them a law is broken, which is looked for alone.
  ['R1', 'memory', /law [12]/, '--laws'],
  ['R2', 'memory', /law [12]/, '--laws'],
  ['R3', 'memory', /law [12]/, '--laws'],
  ['R4', 'memory', /law [12]/, '--laws'],
  ['R5', 'memory', /never succeeds|hangs|is never answered/, '--laws'],
  ['R6', 'memory', /rule R6: \S+ (lets in|passes bytes on)/],
  ['R6', 'redis', /rule R6: \S+ (lets in|passes bytes on)/],
  ['R7', 'memory', /rule R7: \S+ lets in what/],
  ['R7', 'redis', /rule R7: \S+ lets in what/],
  ['life', 'redis', /rule R2: \S+ lets in what was opened before/],
  ['born', 'redis', /rule R2: /],
  ['settled', 'redis', /rule R2: \S+ sends \S+ before what the store has forgotten is over/],
  ['ours', 'redis', /rule R2: \S+ lets in what was opened before/],
  ['full', 'redis', /rule R6: \S+ (lets in|passes bytes on)/],
  ['stop', 'redis', /rule R6: a store that is full refuses/],
  ['half', 'redis', /rule R6: \S+ is refused in its middle/],
  ['clock', 'redis', /rule of time: protocol time goes back/],
  // A new recording would be taken for the one that was stopped.
  ['clock', 'redis', /cannot be recorded again/, '--laws'],
];

/** One of a law, one of a rule, one of the store. */
const someMutants: ReadonlySet<string> = new Set(['R1 memory', 'R6 redis', 'half redis']);

const expectNothing = async ({ total, failed }: Awaited<ReturnType<typeof search>>): Promise<void> => {
  // Printed also where nothing was found: what was not tried is no proof.
  process.stdout.write(`${summary(total)}\n`);
  if (failed !== undefined) throw new Error(await report(total.next - 1, failed));
};

describe('the simulation', () => {
  test('plays one seed in one way: time, order and chance come from nowhere else', async () => {
    for (const seed of [3, 4]) {
      const one = await simulate(seed, settingOf(seed));
      const again = await simulate(seed, settingOf(seed));
      expect(again.fingerprint).toBe(one.fingerprint);
      expect(again.lines).toEqual(one.lines);
      expect((await simulate(seed + 1, settingOf(seed))).fingerprint).not.toBe(one.fingerprint);
    }
  });

  test(
    'finds nothing with seeds that are played every time',
    () => search(1, ({ next }) => next > knownSeeds).then(expectNothing),
    patienceMs,
  );

  test(
    'finds nothing with fresh seeds',
    async () => {
      const until = performance.now() + freshMs;
      await expectNothing(await search(randomInt(2 ** 31), () => performance.now() > until));
    },
    patienceMs,
  );

  test(
    'shrinks what it finds, and plays it again from its seed',
    async () => {
      const play = async (...from: string[]): Promise<string> => {
        const { code, stdout } = await withMutant('R3', '--store', 'memory', ...from);
        expect(code).toBe(1);
        // The first lines tell how fast it was.
        return stdout.slice(stdout.indexOf('breaks a promise'));
      };
      const found = await play('--seed', '1', '--steps', '3000000');
      const shrunk = /from (\d+) to (\d+) acts, from (\d+) to (\d+) faults/.exec(found) ?? [];
      const [manyActs = 0, acts = NaN, manyFaults = 0, faults = NaN] = shrunk.slice(1).map(Number);
      expect(acts + faults).toBeLessThan((manyActs + manyFaults) / 10);
      const [, seed = ''] = /again: .*--seed (\d+)/.exec(found) ?? [];
      expect(await play('--seed', seed)).toBe(found);
    },
    patienceMs,
  );

  test.each(mutants.filter(([rule, store]) => isLong || someMutants.has(`${rule} ${store}`)))(
    'finds what goes wrong without %s, with the store in %s',
    async (rule, store, found, ...more) => {
      const ended = await withMutant(
        rule,
        ...['--store', store, '--seed', '1', '--steps', '3000000', '--unshrunk', ...more],
      );
      expect(ended).toMatchObject({ code: 1, stdout: expect.stringMatching(found) });
    },
    patienceMs,
  );
});
