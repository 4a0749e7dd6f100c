import { randomUUID } from 'node:crypto';
import { chain } from '../../src/core/call/evidence.ts';
import { type CallKey, parseCallKey } from '../../src/core/call/key.ts';
import { type CallState, type StateName, unknownCall } from '../../src/core/call/state.ts';
import type { Tally } from '../../src/core/call/tally.ts';
import type { CallView, Commit } from '../../src/core/ports/call-store.ts';
import type { Store } from '../../src/core/ports/store.ts';

/** A store under test, empty, and a second instance on the same data. */
export interface Fixture {
  readonly store: Store;
  readonly peer: Store;
  close(): Promise<void>;
}

export const newCall = (): CallKey => parseCallKey(randomUUID())!;

export const minute = 60_000;

export const tally = (changes: Partial<Tally> = {}): Tally => ({
  admitted: 3,
  aborted: 1,
  unanswered: 0,
  refused: 2,
  bytes: 4096,
  left: 'drained',
  drainMs: 12.5,
  ...changes,
});

/** A commit of `state` on what was read; the record continues the call's chain. */
export function commitOn(
  view: CallView,
  call: CallKey,
  state: StateName,
  changes: Partial<Commit> = {},
): Commit {
  const before = view.state ?? unknownCall;
  const epoch = state === 'starting' ? Math.max(before.epoch + 1, view.now) : before.epoch;
  const after: CallState = {
    ...before,
    state,
    epoch,
    binding: { tenant: 'tenant-1', app: 'app-1' },
    exchange:
      state === 'starting'
        ? { kind: 'start', token: 'handler-1', heldAt: before.seq + 1, forMs: minute }
        : null,
    openedAt: state === 'recording' ? view.clock : null,
  };
  const step = chain(before, after, {
    call,
    at: view.clock,
    event: 'startRequested',
    instance: 'instance-1',
    policy: null,
    by: after.binding,
    enforced: true,
    detail: { note: 'naïve “quotes”, \n and ünïcode' },
  });
  return {
    call,
    version: view.version,
    life: view.life,
    ...step,
    dropTallies: false,
    retentionMs: undefined,
    operation: randomUUID(),
    ...changes,
  };
}

/** Reads and commits; throws if the store refuses. */
export async function move(
  store: Store,
  call: CallKey,
  state: StateName,
  changes: Partial<Commit> = {},
): Promise<Commit> {
  const commit = commitOn(await store.calls.read(call), call, state, changes);
  if (!(await store.calls.commit(commit))) throw new Error(`the commit of ${state} was refused`);
  return commit;
}

/** A call that is being recorded; the epoch of it. */
export async function recordingCall(store: Store): Promise<{ call: CallKey; epoch: number }> {
  const call = newCall();
  await move(store, call, 'starting');
  const { state } = await move(store, call, 'recording');
  return { call, epoch: state.epoch };
}
