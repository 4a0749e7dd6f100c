import type { IncomingMessage } from 'node:http';
import type { CallKey } from '../core/call/key.ts';
import { mayUpload } from '../core/call/policy.ts';
import type { Binding } from '../core/call/state.ts';
import { type Decision, grant, type Refusal, refuse } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import { type StartProblem, startProblems } from '../core/http/request-start.ts';
import type { Identity } from '../core/ports/identity.ts';
import type { PassingWrite, Write } from '../gate/write.ts';
import type { StageDeps } from './ports.ts';

/**
 * Rate limit for calls that this instance does not know and must look up in the store: refuses callers with too many
 * look-ups of calls that are not theirs.
 */
export const unknownCallRefusal = (
  { gate, limits }: StageDeps,
  call: CallKey,
  who: Binding | null,
): Refusal | undefined => (who === null || gate.knows(call) ? undefined : limits.unknownCall(who));

/**
 * Asks the gate for a media request. Only calls that turn out not to be theirs count against an application, so that
 * bots that come back all at once are not refused; and what is known to be closed is answered as such, since a status that is retried
 * would turn early media into late media.
 */
export async function withinLookUpRate<T>(
  deps: StageDeps,
  call: CallKey,
  who: Identity,
  ask: () => Promise<Decision<T>>,
): Promise<Decision<T>> {
  const { gate } = deps;
  if (gate.knows(call)) return ask();
  const tooMany = unknownCallRefusal(deps, call, who);
  if (tooMany !== undefined) return gate.wasSeenClosed(call) ? refuse('RecordingNotActive') : tooMany;
  const decision = await ask();
  if (!decision.ok && decision.reason === 'RecordingNotActive') countUnknown(deps, call, who);
  return decision;
}

/** Nobody waits for it. */
function countUnknown({ gate, limits, policyFor, log }: StageDeps, call: CallKey, who: Identity): void {
  gate
    .bindingOf(call)
    .then((owner) => {
      if (owner === undefined) return;
      if (owner === null || !mayUpload(policyFor(owner), owner, who)) limits.unknownCallFound(who);
    })
    .catch((error: unknown) =>
      log.error({ call, error: messageOf(error) }, 'the owner of a call could not be looked up'),
    );
}

/**
 * Stage 3 of a media write: the decision shared by the proxy and the middleware. If this instance holds a grant, it
 * decides synchronously, without the store.
 */
export async function admitWrite(
  deps: StageDeps,
  req: IncomingMessage,
  call: CallKey,
  who: Identity,
): Promise<Decision<Write>> {
  return counted(deps, await judgeWrite(deps, req, call, who), call, who);
}

/** The same for the proxy, where the store may be set to observe the caller's tenant instead of enforcing the laws. */
export async function admitOrObserve(
  deps: StageDeps,
  req: IncomingMessage,
  call: CallKey,
  who: Identity,
): Promise<Decision<PassingWrite>> {
  const decision = await judgeWrite(deps, req, call, who);
  const observed = decision.ok ? undefined : await deps.gate.observed.take(call, who, decision);
  if (observed === undefined) return counted(deps, decision, call, who);
  deps.meter.decision('media', 'observed');
  return grant(observed);
}

async function judgeWrite(
  deps: StageDeps,
  req: IncomingMessage,
  call: CallKey,
  who: Identity,
): Promise<Decision<Write>> {
  const { gate } = deps;
  const began = deps.requestStart?.(req);
  if (began?.ok === false) return refusedStart(deps, began.problem);
  return (
    gate.admitNow(call, who, began?.beganAt) ??
    (await withinLookUpRate(deps, call, who, () => gate.admit(call, who, began?.beganAt)))
  );
}

function counted(
  { gate, meter }: StageDeps,
  decision: Decision<Write>,
  call: CallKey,
  who: Identity,
): Decision<Write> {
  meter.decision('media', decision.ok ? 'admitted' : decision.reason);
  if (!decision.ok) gate.refused(call, decision.reason, who);
  return decision;
}

/** What is not known to have begun in the open interval is not let in. */
function refusedStart({ meter }: StageDeps, problem: StartProblem): Refusal {
  meter.requestStartRefused(problem);
  return refuse('RecordingNotActive', { detail: startProblems[problem] });
}
