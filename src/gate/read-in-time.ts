import type { CallKey } from '../core/call/key.ts';
import { isFault } from '../core/errors.ts';
import type { CallView } from '../core/ports/call-store.ts';
import { type GateDeps, sleep } from './context.ts';

/** How long a write waits for what the store says of a call that this instance cannot hold, ms. */
const waitMs = 250;

/** What the store says of a call; undefined: it does not answer, or not in time. */
export async function readInTime(
  { calls, clock }: Pick<GateDeps, 'calls' | 'clock'>,
  call: CallKey,
): Promise<CallView | undefined> {
  const read = calls.read(call).catch((error: unknown) => {
    if (!isFault(error)) throw error;
    return undefined;
  });
  return Promise.race([read, sleep(clock, waitMs).then(() => undefined)]);
}
