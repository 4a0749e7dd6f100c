import type { CallKey } from '../../core/call/key.ts';
import type { Binding } from '../../core/call/state.ts';
import type { Decision } from '../../core/decision.ts';
import type { RawAnswer } from '../../core/graph/exchange.ts';
import { callPathOf } from '../../core/graph/identify-action.ts';
import type { Stopped, StopRequest } from '../../gate/stop.ts';
import { proveAgain } from './graph-proof.ts';
import { correlationFacts, ownHeaders, relay, senderFor, type CallRequest, type Handler } from './context.ts';
import { polling } from './call-gone.ts';

/** Ends recording first, bounded, and only then hangs up. */
export const hangUp: Handler = async (request) => {
  const refused = await proveAgain(request);
  if (refused !== undefined) return refused;
  const stopped = await stopAndHangUp(request, request.call, request.caller.who);
  if (!stopped.ok) return stopped.reason === 'CallEnded' ? hangUpEnded(request) : stopped;
  const { sent } = stopped.value;
  if (sent?.kind !== 'answered') return sent === undefined ? { ok: true, value: 0 } : sent.refusal;
  return relay(request, sent.answer);
};

export const stopAndHangUp = (
  request: CallRequest,
  call: CallKey,
  by: Binding | null,
): Promise<Decision<Stopped<RawAnswer>>> => request.deps.gate.stop(hangUpRequest(request, call, by));

export const hangUpRequest = (
  request: CallRequest,
  call: CallKey,
  by: Binding | null,
): StopRequest<RawAnswer> => ({
  call,
  by,
  cause: 'hangUp',
  graph: { send: sendHangUp(request), poll: polling(request) },
  detail: correlationFacts(request),
  ids: request.facts,
  askedAt: request.facts.askedAt,
});

/** The gate is closed for good, so the request is only passed on. */
async function hangUpEnded(request: CallRequest): Promise<Decision<number>> {
  const sent = await sendHangUp(request)(() => true);
  return sent.kind === 'answered' ? relay(request, sent.answer) : sent.refusal;
}

const sendHangUp = (request: CallRequest): ReturnType<typeof senderFor> =>
  senderFor(request, {
    method: 'DELETE',
    path: callPathOf(request.action),
    headers: ownHeaders(request),
    body: null,
  });
