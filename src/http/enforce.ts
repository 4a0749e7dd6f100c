import type { CallKey } from '../core/call-key.ts';
import type { Binding } from '../core/call-state.ts';
import type { Decision, Refusal } from '../core/decision.ts';
import type { Identity } from '../core/ports.ts';
import type { Write } from '../gate/write.ts';
import type { StageDeps } from './ports.ts';

/**
 * For a call of which this instance knows nothing the store would be asked: who does that too often is refused before.
 */
export const knownOrRated = (
  { gate, limits }: StageDeps,
  call: CallKey,
  who: Binding | null,
): Refusal | undefined => (who === null || gate.knows(call) ? undefined : limits.unknownCall(who));

/**
 * Stage 3 of a media write: the one decision that the proxy and the middleware share. Where this instance holds a
 * grant, no promise is waited for and no store is asked.
 */
export async function admitWrite(deps: StageDeps, call: CallKey, who: Identity): Promise<Decision<Write>> {
  const { gate, meter } = deps;
  const decision = gate.admitNow(call, who) ?? knownOrRated(deps, call, who) ?? (await gate.admit(call, who));
  meter.decision('media', decision.ok ? 'admitted' : decision.reason);
  if (!decision.ok) gate.refused(call, decision.reason, who);
  return decision;
}
