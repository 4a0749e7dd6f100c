import type { CallKey } from '../core/call/key.ts';
import { type Decision, refuse } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import { type GateDeps, sleep } from './context.ts';
import type { Write } from './write.ts';

const storeWaitMs = 250;

/** For signalling that needs the gate only for a part of it: a store that hangs counts as a closed gate. */
export async function withinStoreWait(
  { clock, log }: Pick<GateDeps, 'clock' | 'log'>,
  call: CallKey,
  admitting: Promise<Decision<Write>>,
): Promise<Decision<Write>> {
  const first = await Promise.race([admitting, sleep(clock, storeWaitMs).then(() => undefined)]);
  if (first !== undefined) return first;
  admitting.then(
    (late) => {
      if (late.ok) late.value.end(true);
    },
    (error: unknown) =>
      log.error(
        { call, error: messageOf(error) },
        'admission to a call failed after its request was refused',
      ),
  );
  return refuse('StoreUnavailable', { retryAfterMs: 1000 });
}
