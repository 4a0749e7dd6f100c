import type { CallKey } from '../core/call-key.ts';
import type { Decision } from '../core/decision.ts';
import type { Identity } from '../core/ports.ts';
import type { Write } from '../gate/write.ts';
import type { StageDeps } from './ports.ts';

/**
 * Stage 3 of a media write: the one decision that the proxy and the middleware share. Where this instance holds a
 * grant, no promise is waited for and no store is asked.
 */
export async function admitWrite(
  { gate, meter }: StageDeps,
  call: CallKey,
  who: Identity,
): Promise<Decision<Write>> {
  const decision = gate.admitNow(call, who) ?? (await gate.admit(call, who));
  meter.decision('media', decision.ok ? 'admitted' : decision.reason);
  if (!decision.ok) gate.refused(call, decision.reason);
  return decision;
}
