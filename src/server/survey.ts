import { setTimeout as sleep } from 'node:timers/promises';
import type { Meter } from '../core/ports/meter.ts';
import type { Store } from '../core/ports/store.ts';
import { freeBytes } from '../evidence/journal/disk.ts';

interface SurveyParts {
  readonly store: Pick<Store, 'calls' | 'memory'>;
  readonly meter: Pick<Meter, 'calls' | 'storeMemory' | 'evidenceFree'>;
  readonly evidenceDir: string;
}

/** A file system that hangs must not keep the other numbers, ms. */
const diskMs = 500;

/**
 * Asks the store and the file system for what only they know: the same for all workers, so one of them asks. A store
 * that does not answer leaves the last number of calls; whether it answers is a metric of its own.
 */
export function survey({ store, meter, evidenceDir }: SurveyParts): () => Promise<void> {
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
  return async () => {
    const inTime = await Promise.all([
      Promise.race([askDisk().then(() => true), sleep(diskMs, false, { ref: false })]),
      store.calls.census().then(
        (census) => meter.calls(census),
        () => undefined,
      ),
      (store.memory?.() ?? Promise.resolve(undefined)).then(
        (memory) => meter.storeMemory(memory),
        () => meter.storeMemory(undefined),
      ),
    ]);
    if (!inTime[0]) meter.evidenceFree(undefined);
  };
}
