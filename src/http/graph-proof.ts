import { refuse, type Decision, type Refusal } from '../core/decision.ts';
import type { RawAnswer } from '../core/exchange.ts';
import { callPathOf } from '../core/graph-action.ts';
import { ownHeaders, relay, sending, type CallRequest } from './control/context.ts';

/**
 * In `graph` mode a status change is acted on only after Graph has accepted a request for that call with that
 * token, so that a stranger can neither open a gate nor close one (design, section 6). Asks Graph where that is
 * not known yet; a granted value is the status of Graph's own refusal, already passed on, or undefined: go on.
 */
export async function prove(request: CallRequest): Promise<Decision<number | undefined>> {
  const { caller, call, proofs, deps, action } = request;
  if (caller.verified) return { ok: true, value: undefined };
  if (proofs.has(call, caller.tokenHash)) {
    return belongs(await deps.gate.bindingOf(call), caller.who) ?? { ok: true, value: undefined };
  }
  const path = callPathOf(action);
  const sent = await sending(request, { method: 'GET', path, headers: ownHeaders(request), body: null })(
    () => true,
  );
  if (sent.kind !== 'answered') return sent.refusal;
  if (!accepted(sent.answer)) {
    // Graph judges the token before it looks for the call, so this is its word about the caller's own call.
    if (sent.answer.status === 404 && caller.who !== null)
      await deps.gate.callEnded(call, caller.who, 'callNotFound');
    return relay(request, sent.answer);
  }
  await accept(request);
  const binding = await deps.gate.bindingOf(call);
  return belongs(binding, caller.who) ?? { ok: true, value: undefined };
}

const accepted = ({ status }: RawAnswer): boolean => status >= 200 && status < 300;

/**
 * Graph has accepted the caller for this call. In `graph` mode the first one binds it, whatever was asked: the token is
 * the bot's own. In `jwt` mode the credential is ours and may serve several applications, so that only an answer and a
 * creation bind, as an invitation and a confirmed start do: nobody comes to own a call by asking for it first.
 */
export async function accept({ caller, call, proofs, deps, action }: CallRequest): Promise<void> {
  proofs.add(call, caller.tokenHash);
  deps.gate.heard(call);
  const { effect } = action.row;
  const binds = !caller.verified || effect === 'answer' || effect === 'create';
  if (caller.who !== null && binds) await deps.gate.bind(call, caller.who);
}

/** Others get the same answer as for a call that does not exist. An unknown binding refuses nothing: signalling is sacred. */
export function belongs(
  binding: Awaited<ReturnType<CallRequest['deps']['gate']['bindingOf']>>,
  who: CallRequest['caller']['who'],
): Refusal | undefined {
  if (binding === null || binding === undefined || who === null) return undefined;
  return binding.tenant === who.tenant && binding.app === who.app ? undefined : refuse('CallNotFound');
}
