import { parseArgs } from 'node:util';
import { freshSeed, runChaos } from './chaos.ts';
import { faults } from './faults.ts';

const help = `Usage: npm run chaos -- [--minutes N] [--seed S] [--only FAULT]... [--keep DIRECTORY]

Faults on real processes: three proxies, Redis with a replica and Sentinel, 20 bots.

  --minutes N       How long, 2 if absent.
  --seed S          A whole number that decides what befalls whom; a fresh one if absent.
  --only FAULT      Does this fault and no other, by its name as it is printed; may be given several times.
  --keep DIRECTORY  Leaves stamps, logs and evidence there.
`;

/** Resolves with the exit code: 0 nothing was violated, 1 something was, 2 the arguments were wrong. */
export async function runCli(args: string[]): Promise<number> {
  const options = {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string' },
    only: { type: 'string', multiple: true },
    keep: { type: 'string' },
    /** The program of the proxies: one that was broken on purpose must be found out. */
    main: { type: 'string' },
  } as const;
  let values;
  try {
    ({ values } = parseArgs({ args, options }));
  } catch {
    process.stderr.write(help);
    return 2;
  }
  const minutes = Number(values.minutes);
  const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
  const { main, keep, only } = values;
  const isUnknown = only?.some((name) => !faults.some((fault) => fault.name === name)) ?? false;
  if (!(minutes > 0) || !Number.isSafeInteger(seed) || isUnknown) {
    process.stderr.write(help);
    return 2;
  }
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  // Whoever is started here, and what is mounted, ends with this process.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  print(`seed ${seed}`);
  const report = await runChaos({ minutes, seed, log: print, main, only, keepIn: keep });
  print(JSON.stringify(report, null, 2));
  return report.violations.length === 0 ? 0 : 1;
}
