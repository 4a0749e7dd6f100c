import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { compileEvidence } from '../../support/evidence/build.ts';
import type { ChildOptions } from '../../support/evidence/child.ts';
import { eventually } from '../../support/eventually.ts';
import { interleaved } from '../../support/evidence/history.ts';
import { FileOutbox } from '../../support/evidence/outbox.ts';
import {
  expectCutsToBeTold,
  expectEachOnce,
  readFiles,
  startChild,
  startInstance,
  temporaryDirectory,
} from '../../support/evidence/process.ts';

const records = interleaved(2, 1);
/** Long enough for the other to be seen waiting, short enough to be waited for. */
const leaseMs = 1500;

let root: string;
let compiled: string;
let directory: string;
let outbox: FileOutbox;
let options: ChildOptions;
let places = 0;
let stops: (() => unknown)[];

beforeAll(async () => {
  root = await temporaryDirectory('tallylight-handover-');
  compiled = compileEvidence(join(root, 'compiled'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  places += 1;
  stops = [];
  directory = join(root, `evidence-${places}`);
  const kept = join(root, `outbox-${places}`);
  outbox = FileOutbox.create(kept, records);
  options = { directory, outbox: kept, leaseMs };
  await mkdir(directory);
});
afterEach(async () => {
  for (const stop of stops) await stop();
});

/** An instance that is held in the middle of its work while it has the lease, and one that waits for its turn. */
async function holdOneWhileAnotherWaits(hold: NonNullable<ChildOptions['hold']>) {
  const held = startChild(compiled, { ...options, hold });
  stops.push(() => held.kill());
  await eventually(() => held.steps.at(-1) === 'held');
  const survivor = await startInstance(directory, outbox);
  stops.push(() => survivor.stop());
  return { held, survivor };
}

const inTheWay = 'evidence cannot be written; it stays in the store, and writing is retried';

test.each([
  ['in the middle of its first write', { write: 1, part: 0.5 }, true],
  ['in the middle of a later write', { write: 2, part: 0.3 }, true],
  ['at the end of a line', { write: 1, part: 1 }, false],
])('an instance killed %s hands over to the next one', async (_, hold, isTorn) => {
  const { held, survivor } = await holdOneWhileAnotherWaits(hold);
  await eventually(() => survivor.writer.state === 'waiting');
  const flushed = survivor.writer.flush();
  held.kill();
  expect(await held.ended).toBe('killed');
  const before = await readFiles(directory);
  await flushed;
  expect(outbox.entries).toEqual([]);
  expect((await expectCutsToBeTold(directory, before)) > 0).toBe(isTorn);
  expect(await expectEachOnce(directory, records)).toMatchObject({
    repairs: Number(isTorn),
    unexplainedRepairs: 0,
  });
  expect(survivor.log.lines.map(({ text }) => text)).not.toContain(inTheWay);
});

test.each([
  ['is killed', 0.5],
  ['goes on', undefined],
])('while a paused instance outlives its lease nobody else writes, also if it then %s', async (_, part) => {
  const { held, survivor } = await holdOneWhileAnotherWaits({
    write: 2,
    ...(part === undefined ? {} : { part }),
  });
  // The lease is over and was taken, but the process is there and may go on in its write.
  await eventually(() => survivor.log.lines.some(({ text }) => text === inTheWay));
  const paused = await readFiles(directory);
  expect(survivor.writer.state).toBe('failing');
  if (part === undefined) held.goOn();
  else held.kill();
  expect(await held.ended).toBe(part === undefined ? 'done' : 'killed');
  await eventually(() => outbox.entries.length === 0);
  await eventually(() => survivor.writer.state === 'writing');
  const report = await expectEachOnce(directory, records);
  expect(report).toMatchObject({ repairs: part === undefined ? 0 : 1, unexplainedRepairs: 0 });
  if (part !== undefined) expect(await expectCutsToBeTold(directory, paused)).toBeGreaterThan(0);
});
