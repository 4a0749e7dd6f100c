import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { settingOf } from './plan.ts';
import { simulate } from './run.ts';
import { report, search, summary } from './search.ts';

const help = `Usage: npm run simulate -- [--minutes N] [--steps K] [--seed S] [--trace] [--mutant NAME] [--store KIND] [--observe]

Plays random histories of three instances of the real gate in simulated time, and watches both laws.

  --minutes N    Play fresh seeds for so long; 1 if nothing else is given.
  --steps K      Play until so many events have happened.
  --seed S       Begin with this seed; without --minutes and --steps, play this one alone.
  --trace        Print every event of the first seed.
  --mutant NAME  Take a rule out of the product first (see mutants.mjs); then something should be found.
  --store KIND   Only this store, memory or redis; if absent, the seed decides.
  --laws         Judge both laws and what must be so at the end, but none of the rules that serve them.
  --observe      One of two tenants is observed until a moment of the run; the laws hold for the other, and afterwards.
  --unshrunk     Only tell what was found.

Exit status: 0 nothing was found, 1 a law or a promise was broken, and its seed and shrunk trace are printed.
`;

const options = {
  minutes: { type: 'string' },
  steps: { type: 'string' },
  seed: { type: 'string' },
  trace: { type: 'boolean' },
  mutant: { type: 'string' },
  store: { type: 'string' },
  laws: { type: 'boolean' },
  observe: { type: 'boolean' },
  unshrunk: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options });
  const { trace = false, mutant, help: isLost = false } = values;
  if (isLost) {
    say(help);
    return 0;
  }
  const { store, laws: onlyLaws = false, observe: observes = false } = values;
  if (store !== undefined && store !== 'memory' && store !== 'redis') {
    say(help);
    return 2;
  }
  const isOne = values.seed !== undefined && values.minutes === undefined && values.steps === undefined;
  const first = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  const steps = Number(values.steps ?? (isOne ? 1 : Infinity));
  const seconds = 60 * Number(values.minutes ?? (values.steps === undefined ? 1 : Infinity));
  if (trace)
    say(
      (await simulate(first, settingOf(first, store, onlyLaws, observes), undefined, true)).lines.join('\n'),
    );
  say(`seeds from ${first} on`);
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  const { total, failed } = await search(
    first,
    (so) => so.steps >= steps || elapsed() >= seconds,
    store,
    onlyLaws,
    observes,
  );
  say(`${summary(total)}; ${Math.round(total.steps / elapsed())} steps a second, ${elapsed().toFixed(1)} s`);
  if (failed === undefined) {
    say('nothing was found');
    return 0;
  }
  const seed = total.next - 1;
  say(`seed ${seed} breaks a promise: ${failed.violation ?? ''}`);
  if (values.unshrunk !== true) say(await report(seed, failed, mutant, store, onlyLaws, observes));
  return 1;
}
