import type { CallStore } from '../src/core/ports/call-store.ts';
import type { Store } from '../src/core/ports/store.ts';
import { memoryStore } from '../src/store/memory.ts';
import { bot, builtGate, callKey } from './built.ts';

/** The decision of a write where the grant is held, and what a grant weighs. */
export interface AdmissionResult {
  /** Of one admission and the end of its write, by round. */
  readonly microseconds: readonly number[];
  /** Store commands during all of them, heartbeats not counted. */
  readonly storeCommands: number;
  /** How many decisions were promises. */
  readonly promises: number;
  /** Heap for each held grant, by round. */
  readonly bytesPerGrant: readonly number[];
}

const [rounds = 7, decisions = 200_000, grants = 100_000] = process.argv.slice(3).map(Number);
let commands = 0;

/** Grants anything and keeps nothing, so that what is weighed is the instance's. */
const calls = new Proxy({} as CallStore, {
  get: () => () => {
    commands += 1;
    return Promise.resolve({ state: 'recording', epoch: 1, binding: bot });
  },
});
const outbox: Pick<Store['outbox'], 'backlog' | 'report'> = {
  backlog: () => Promise.resolve({ oldest: null, bytes: 0 }),
  report: () => Promise.resolve({ now: 0, others: [] }),
};
const sessions: Store['sessions'] = {
  join: () => Promise.resolve('joined' as const),
  heartbeat: () => Promise.resolve([]),
  revoke: () => Promise.resolve(1),
  quit: () => Promise.resolve(),
  onWake: () => Promise.resolve(() => undefined),
  announceStop: () => Promise.resolve(),
  onStop: () => Promise.resolve(() => undefined),
};

const gate = await builtGate({ calls, sessions, outbox, holds: memoryStore().holds });
await gate.open();
const call = callKey(0);
const first = await gate.admit(call, bot);
if (!first.ok) throw new Error(`not admitted: ${first.reason}`);
first.value.end(true);

const microseconds: number[] = [];
let promises = 0;
commands = 0;
// The first round is for the compiler.
for (let round = 0; round <= rounds; round += 1) {
  const began = process.cpuUsage();
  for (let n = 0; n < decisions; n += 1) {
    const decision = gate.admitNow(call, bot);
    if (decision instanceof Promise) promises += 1;
    if (decision?.ok !== true) throw new Error('the grant is not held any more');
    decision.value.end(true);
  }
  const { user, system } = process.cpuUsage(began);
  if (round > 0) microseconds.push((user + system) / decisions);
  // Heartbeats are due in between.
  await new Promise((resolve) => setTimeout(resolve, 1));
}
const storeCommands = commands;

const heap = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};
const bytesPerGrant: number[] = [];
for (let round = 0; round < 3; round += 1) {
  const before = heap();
  for (let n = 1; n <= grants; n += 1) {
    const held = await gate.isOpen(callKey(round * grants + n), bot);
    if (!held.ok) throw new Error(`not held: ${held.reason}`);
  }
  bytesPerGrant.push((heap() - before) / grants);
}
const result: AdmissionResult = { microseconds, storeCommands, promises, bytesPerGrant };
process.send?.(result);
