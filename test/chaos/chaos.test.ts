import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { breakProxy } from './broken.ts';
import { freshSeed, runChaos } from './chaos.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

test('two minutes of faults on real processes violate nothing', async () => {
  const seed = freshSeed();
  print(`chaos: seed ${seed}; again with: npm run chaos -- --seed ${seed}`);
  const keepIn = join(tmpdir(), `tallylight-chaos-seed-${seed}`);
  const report = await runChaos({ minutes: 2, seed, log: () => undefined, keepIn });
  print(`chaos: ${JSON.stringify(report)}`);
  if (report.violations.length > 0) print(`chaos: stamps, logs and evidence are in ${keepIn}`);
  else await rm(keepIn, { recursive: true });
  expect(report.violations).toEqual([]);
  const { storedBytes, stopsJudged, keepAlivesJudged, overInOrder, streams } = report;
  const { writesAfterRefusedStops, writesWhileFull } = report;
  const { closed, stopped, cut, judgedBytes } = streams;
  const judged = {
    storedBytes,
    stopsJudged,
    keepAlivesJudged,
    overInOrder,
    writesAfterRefusedStops,
    writesWhileFull,
    closed,
    stopped,
    cut,
    judgedBytes,
  };
  expect(Object.entries(judged).filter(([, count]) => count === 0)).toEqual([]);
  expect(Object.entries(report.faults).filter(([, count]) => count === 0)).toEqual([]);
}, 400_000);

test.each([
  {
    what: 'sends a stop before its holders have left',
    line: {
      file: 'gate/stop.js',
      find: 'view.holders.length === 0 && freshMs <= 0',
      replace: 'freshMs <= 0',
    },
    under: 'the media handler reads slowly',
    found: ['a stop since', 'the evidence tells of'],
  },
  {
    what: 'lets signalling wait for the store',
    line: {
      file: 'gate/bindings.js',
      find: 'return Promise.race([this.read(call),',
      replace: 'return Promise.race([this.#deps.calls.read(call),',
    },
    under: 'Redis is killed and comes back with its data',
    found: ['while the store was away'],
  },
  {
    what: 'lets the frames of a WebSocket pass after the stop',
    line: {
      file: 'upstream/websocket-pipe.js',
      find: 'return new Promise((settle) => {',
      replace: `const { addBytes } = guard;
        guard = { mayContinue: () => true, addBytes: addBytes.bind(guard), onStop() {}, onCut() {}, onMeasure() {} };
        return new Promise((settle) => {`,
    },
    under: 'the way to the media handler is slow',
    found: ['of stream-', 'a stop since'],
  },
  {
    what: 'sends a stop before the handler has answered the end of a WebSocket',
    line: {
      file: 'upstream/websocket-pipe.js',
      find: 'const closeAtBoundary = (one) => {',
      replace: `const closeAtBoundary = (one) => {
        if (one === up && ending?.how === 'stopped' && one.scanner.isBetweenFrames) settle({ how: 'stopped', complete: true });`,
    },
    under: 'the way to the media handler is slow',
    found: ['of stream-', 'a stop since'],
  },
  {
    what: 'goes on after a stop that could not be stored',
    line: {
      file: 'gate/gate.js',
      find: '#mark(call, by) {',
      replace: `#mark(call, by) {
        return { by, judge: () => 'own', stored() {}, drop() {} };`,
    },
    under: 'Redis forbids what stores evidence',
    found: ['though it had answered a stop with'],
  },
])(
  'a proxy that $what is found out',
  async ({ line, under, found }) => {
    const broken = await breakProxy(line);
    try {
      // What it takes is a matter of chance, and of how busy the machine is.
      const violations: string[] = [];
      const isFound = (what: string): boolean => violations.some((one) => one.includes(what));
      for (let seed = 6; seed < 11 && !found.every(isFound); seed += 1) {
        const round = { minutes: 0.3, seed, log: () => undefined, main: broken.main, only: [under] };
        violations.push(...(await runChaos(round)).violations);
      }
      for (const what of found) expect(violations).toContainEqual(expect.stringContaining(what));
    } finally {
      await broken.remove();
    }
  },
  600_000,
);
