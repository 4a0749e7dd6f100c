import { toGuid } from '../../core/call/key.ts';
import { type Decision, grant, type Refusal } from '../../core/decision.ts';
import type { Forwarded } from '../../core/http/exchange.ts';
import { isStopReason } from '../../core/http/write-guard.ts';
import type { PassingWrite } from '../../gate/write.ts';
import { admitOrObserve, withinLookUpRate } from '../admit-write.ts';
import { countRefusal, expectsContinue } from '../identify-media.ts';
import { callHeaders, type MediaRequest } from './context.ts';

/** Passes a write on that was admitted or is observed, and ends its guard. */
type Pass = (request: MediaRequest, guard: PassingWrite) => Promise<Forwarded>;

export async function write(request: MediaRequest, pass: Pass): Promise<Decision<void>> {
  const { deps, match, who } = request;
  const room = deps.limits.upload(match.call, who);
  if (!room.ok) return countRefusal(deps, await closedOr(room, request));
  try {
    return await writeInRoom(request, pass);
  } finally {
    room.value();
  }
}

/** At a closed gate the reason is the gate: a status that is retried would turn early media into late media. */
async function closedOr(noRoom: Refusal, { deps, match, who }: MediaRequest): Promise<Refusal> {
  const open = await withinLookUpRate(deps, match.call, who, () => deps.gate.isOpen(match.call, who));
  if (open.ok || (await deps.gate.observed.reasonFor(match.call, who, open)) !== undefined) return noRoom;
  return open;
}

async function writeInRoom(request: MediaRequest, pass: Pass): Promise<Decision<void>> {
  const { deps, match, who } = request;
  const admitted = await admitOrObserve(deps, request.req, match.call, who);
  if (!admitted.ok) return admitted;
  const unwatch = cutWhenRevoked(request, admitted.value);
  const passed = await pass(request, admitted.value).finally(unwatch);
  if (passed.kind === 'answered') return grant(undefined);
  const { reason } = passed.refusal;
  if (isStopReason(reason)) deps.gate.refused(match.call, reason, who);
  return countRefusal(deps, passed.refusal);
}

/** A write does not outlive the revocation of its token. Returns the way to stop watching. */
function cutWhenRevoked(
  { deps: { revocations }, who: { token } }: MediaRequest,
  guard: PassingWrite,
): () => void {
  if (revocations === undefined || token === undefined) return () => undefined;
  const look = (): void => {
    if (revocations.isRevoked(token)) guard.revoke();
  };
  // The list may have changed while the gate was asked.
  look();
  return revocations.onChange(look);
}

/** Bytes sent before a write is aborted may have reached the handler; the route may define how to discard them. */
export function discardWhenCut({ match }: MediaRequest, guard: PassingWrite, stream = false): void {
  const { discard } = match.route.handler;
  const { epoch } = guard;
  // What is only observed belongs to no recording whose end it could outlive.
  if (discard === undefined || epoch === null) return;
  guard.onDiscard((withinMs) =>
    discard(
      {
        write: guard.id,
        call: toGuid(match.call),
        epoch,
        reason: guard.stopReason,
        stream,
      },
      withinMs,
    ),
  );
}

export async function upload(request: MediaRequest, guard: PassingWrite): Promise<Forwarded> {
  const { deps, req, res, match } = request;
  discardWhenCut(request, guard);
  // Only now is the client asked for the body.
  if (expectsContinue(req)) res.writeContinue();
  const began = deps.now();
  const forwarded = await match.route.handler.forward(
    { path: match.path, facts: callHeaders(match, guard), guard },
    req,
    res,
  );
  guard.end(forwarded.kind === 'answered' && req.complete);
  if (forwarded.kind === 'answered') deps.meter.upstreamAnswer(forwarded.status, (deps.now() - began) / 1000);
  return forwarded;
}
