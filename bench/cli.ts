import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { barChart, growthChart } from './chart.ts';
import { nodeOf } from './node-binary.ts';
import { ensureNginx } from './nginx.ts';
import { benchDirectory, pinSelf, repository } from './processes.ts';
import { run, type RunOptions } from './run.ts';
import { report } from './table.ts';
import { targetLines } from './targets.ts';

const help = `Usage: npm run bench -- [--quick] [--node 20,24] [--only NAMES] [--rounds N] [--seconds S] [--streams N] [--calls N]

Measures the proxy against its peers, side by side, and writes bench/results/.

  --quick       Few and short rounds and few calls, to see that all works; written as quick-*.
  --node LIST   Major versions of Node to run on; the one that runs this if absent. Others come from npm (Linux x86_64).
  --only NAMES  Of: post640 post16k post160k post4m chunked ws wsMany wsFlood signalling admission latency cycles
                capacity startup. Results are printed, and not written.
  --rounds N    Rounds of each peer under each workload; 5.
  --seconds S   How long each is measured; 2.
  --streams N   Endless uploads, and WebSockets, at a time; 1000.
  --calls N     Open calls, at most; 100000.

Exit status: 0 everything was measured, whether targets were met or not; 1 something could not be.
`;

const options = {
  quick: { type: 'boolean' },
  node: { type: 'string' },
  only: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  streams: { type: 'string' },
  calls: { type: 'string' },
  help: { type: 'boolean' },
} as const;

const say = (said: string): void => void process.stdout.write(`${said}\n`);

function positive(name: string, given: string | undefined, absent: number): number {
  const value = Number(given ?? absent);
  if (!(value > 0) || !Number.isFinite(value)) throw new Error(`--${name} takes a number above 0`);
  return value;
}

/** What the peers are made of, from their own lock file; and the proxy as it is now. */
function prepare(): void {
  for (const args of [
    ['ci', '--prefix', benchDirectory],
    ['run', '--silent', 'build'],
  ]) {
    const { status } = spawnSync('npm', args, { cwd: repository, stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) throw new Error(`npm ${args.join(' ')} failed`);
  }
}

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options });
  if (values.help === true) {
    say(help);
    return 0;
  }
  const quick = values.quick === true;
  const only = values.only?.split(',');
  const chosen: Omit<RunOptions, 'node' | 'nginx'> = {
    quick,
    only,
    rounds: positive('rounds', values.rounds, quick ? 2 : 5),
    seconds: positive('seconds', values.seconds, quick ? 0.5 : 2),
    streams: positive('streams', values.streams, quick ? 200 : 1000),
    calls: positive('calls', values.calls, quick ? 1000 : 100_000),
  };
  const majors = (values.node ?? process.versions.node.split('.', 1).join('')).split(',').map(Number);
  const nodes = majors.map(nodeOf);
  prepare();
  const nginx = ensureNginx();
  pinSelf();
  let failed = false;
  for (const node of nodes) {
    const results = await run({ ...chosen, node, nginx });
    const lines = targetLines(results, node.major);
    say(report(results, lines));
    failed ||= results.failed;
    if (only !== undefined) continue;
    const directory = join(benchDirectory, 'results');
    const name = join(directory, `${quick ? 'quick-' : ''}${node.major}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${name}.json`, `${JSON.stringify({ ...results, targets: lines }, null, 2)}\n`);
    writeFileSync(`${name}.svg`, barChart(results));
    if (results.capacity !== undefined)
      writeFileSync(`${name}-growth.svg`, growthChart(results.capacity, results.node));
  }
  return failed ? 1 : 0;
}
