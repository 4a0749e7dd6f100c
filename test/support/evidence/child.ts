import { execFileSync } from 'node:child_process';
import { readSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { openFileSink } from '../../../src/evidence/journal/file-sink.ts';
import { startEvidenceWriter } from '../../../src/evidence/journal/writer.ts';
import { memoryLog } from './history.ts';
import { FileOutbox, realClock } from './outbox.ts';
import { PowerLoss } from './power.ts';
import { nameOf, observeDisk, observeOutbox, type Observer, type Step } from './steps.ts';

/**
 * A process that drains a file outbox and names each step on its standard output before it takes it. Its one argument is
 * this, as JSON.
 */
export interface ChildOptions {
  readonly directory: string;
  readonly outbox: string;
  readonly leaseMs?: number;
  /** After so many durable records the clock shows the next day. */
  readonly nextDayAfter?: number;
  /** Kills itself at the step of this number, 1 for the first or the first on the full disk, when this part of it is done. */
  readonly die?: { readonly at: number; readonly part?: number; readonly whenFull?: boolean };
  /** At the write of this number to a journal, after this part of it, it stops dead until it can read from its input. */
  readonly hold?: { readonly write: number; readonly part?: number };
  /** At the write of this number to a journal its disk is full after these bytes, until that was an error. */
  readonly fullAtWrite?: { readonly write: number; readonly bytes: number };
  /** Keeps here what would be left if the power went before each step. */
  readonly images?: { readonly into: string; readonly journals: 'synced' | 'unsynced' };
}

const options = JSON.parse(process.argv[2] ?? '') as ChildOptions;
const power = options.images && new PowerLoss(dirname(options.directory), options.images);
let steps = 0;
let writes = 0;
let durable = 0;
let failures = 0;
let isFull = false;

const say = (text: string): number => writeSync(1, `${text}\n`);

const limitFileSize = (bytes: number | 'unlimited'): unknown =>
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);

function before(step: Step): void {
  say(nameOf(step));
  steps += 1;
  power?.imagesInto(`${options.images!.into}/${steps}`, options.outbox);
  const { die } = options;
  if (die !== undefined && steps === die.at && isFull === (die.whenFull ?? false)) {
    if (die.part !== undefined) step.inPart?.(die.part);
    process.kill(process.pid, 'SIGKILL');
  }
  if (!step.call.startsWith('write') || !step.path.endsWith('.jsonl')) return;
  writes += 1;
  if (options.fullAtWrite?.write === writes) {
    limitFileSize(statSync(step.path).size + options.fullAtWrite.bytes);
    steps = 0;
    isFull = true;
  }
  if (options.hold?.write !== writes) return;
  if (options.hold.part !== undefined) step.inPart?.(options.hold.part);
  say('held');
  readSync(0, Buffer.alloc(1));
}

const observer: Observer = { before, after: (step) => power?.after(step) };
await observeDisk(observer);

const log = {
  ...memoryLog(),
  error(_: unknown, text: string) {
    failures += 1;
    say(`error: ${text}`);
    // The first failure is told once; by then the write was taken back.
    if (options.fullAtWrite !== undefined) limitFileSize('unlimited');
  },
};
const sink = await openFileSink(options.directory, {
  log,
  today: () => new Date(durable >= (options.nextDayAfter ?? Infinity) ? '2026-02-01' : '2026-01-31'),
});
const writer = startEvidenceWriter({
  outbox: observeOutbox(new FileOutbox(options.outbox), observer),
  sink,
  owner: `process ${process.pid}`,
  clock: realClock,
  log,
  meter: { evidence: () => undefined },
  batch: 5,
  idleMs: 5,
  ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
  onDurable: () => (durable += 1),
});
// The timers of the clock do not keep a process alive.
const alive = setInterval(() => undefined, 1000);
while ((await new FileOutbox(options.outbox).depth()) > 0)
  await writer.flush().catch((error: unknown) => {
    if (failures === 0) throw error;
  });
await writer.stop();
clearInterval(alive);
