import { setTimeout as sleep } from 'node:timers/promises';
import type { CallStore, Census } from '../core/ports/call-store.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { Store } from '../core/ports/store.ts';
import { freeBytes } from '../evidence/journal/disk.ts';
import type { Gate } from '../gate/gate.ts';

interface SurveyParts {
  readonly store: Pick<Store, 'calls' | 'memory'>;
  readonly meter: Pick<Meter, 'calls' | 'storeMemory' | 'evidenceFree'>;
  readonly gate: Pick<Gate, 'reportOldestStop'>;
  readonly evidenceDir: string;
}

/** A file system that hangs must not keep the other numbers, ms. */
const diskMs = 500;

/**
 * Asks the store and the file system for what only they know: the same for all workers, so one of them asks. A store
 * that does not answer leaves the last number of calls, and its oldest stop grows older; whether it answers is a metric of its own.
 */
export function survey({ store, meter, gate, evidenceDir }: SurveyParts): () => Promise<void> {
  let asking: Promise<void> | undefined;
  const askDisk = (): Promise<void> => {
    asking ??= freeBytes(evidenceDir)
      .then(
        (bytes) => meter.evidenceFree(bytes),
        () => meter.evidenceFree(undefined),
      )
      .finally(() => (asking = undefined));
    return asking;
  };
  const askCalls = async (): Promise<void> => {
    const census = await store.calls.census();
    meter.calls(census);
    gate.reportOldestStop(await oldestStop(store.calls, census));
  };
  return async () => {
    const inTime = await Promise.all([
      Promise.race([askDisk().then(() => true), sleep(diskMs, false, { ref: false })]),
      askCalls().catch(() => undefined),
      (store.memory?.() ?? Promise.resolve(undefined)).then(
        (memory) => meter.storeMemory(memory),
        () => meter.storeMemory(undefined),
      ),
    ]);
    if (!inTime[0]) meter.evidenceFree(undefined);
  };
}

/** Every part of the store is asked for it, so only if there is one. */
const oldestStop = (
  calls: CallStore,
  { stopping = 0, unconfirmed = 0 }: Census,
): Promise<number | undefined> =>
  stopping + unconfirmed === 0 ? Promise.resolve(undefined) : calls.oldestStop();
