import { setTimeout as sleep } from 'node:timers/promises';
import { refuse, type Decision, type Refusal } from '../core/decision.ts';
import type { RawAnswer, Sent } from '../core/exchange.ts';
import { callPathOf } from '../core/graph-action.ts';
import { messageOf } from '../core/errors.ts';
import { ownHeaders, relay, sending, type CallRequest } from './control/context.ts';

/** So long at most a stop is kept waiting for Graph's word on a token that Graph has accepted before, ms. */
const askAgainMs = 1000;

/** What Graph says of a token for a call; `answer` is what the client gets. */
export type Proof =
  /** `isNew`: Graph was asked for this very request. */
  | { readonly kind: 'proven'; readonly isNew: boolean }
  /** Graph, or the call's binding, is against it. */
  | { readonly kind: 'refused'; readonly answer: Decision<number> }
  /** Graph itself does not answer. */
  | { readonly kind: 'unanswered'; readonly answer: () => Decision<number> };

/**
 * In `graph` mode a status change is acted on only after Graph has accepted a request for that call with that
 * token, so that a stranger can neither open a gate nor close one (design, section 6). Asks Graph where that is
 * not known yet.
 */
export async function prove(request: CallRequest): Promise<Proof> {
  const { caller, call, proofs } = request;
  if (caller.verified) return { kind: 'proven', isNew: true };
  if (proofs.has(call, caller)) return whose(request, false);
  return judge(request, await askForCall(request));
}

/**
 * Before a stop Graph is asked anew, unless it was for this very request: a token that it refuses by now closes nothing.
 * Where it does not say so soon, its word from before counts. A refusal is what the client gets instead of the stop.
 */
export async function proveAgain(request: CallRequest): Promise<Decision<number> | undefined> {
  const { call, deps } = request;
  if (request.isProvenAnew === true) return undefined;
  const asking = askForCall(request);
  asking.catch((error: unknown) =>
    deps.log.error({ call, error: messageOf(error) }, 'a Graph token could not be proven again'),
  );
  const sent = await Promise.race([asking, sleep(askAgainMs, undefined, { ref: false })]);
  if (sent === undefined || !isAboutToken(sent)) return undefined;
  const proof = await judge(request, sent);
  return proof.kind === 'refused' ? proof.answer : undefined;
}

/** What Graph says of the token now, without an answer to anybody. */
export async function graphAccepts(request: CallRequest): Promise<'accepted' | 'refused' | 'unanswered'> {
  const sent = await askForCall(request);
  if (hasNoWord(sent)) return 'unanswered';
  if (sent.kind !== 'answered' || !accepted(sent.answer)) return 'refused';
  await accept(request);
  return 'accepted';
}

const askForCall = (request: CallRequest): Promise<Sent<RawAnswer>> =>
  sending(request, {
    method: 'GET',
    path: callPathOf(request.action),
    headers: ownHeaders(request),
    body: null,
  })(() => true);

async function judge(request: CallRequest, sent: Sent<RawAnswer>): Promise<Proof> {
  const { caller, call, deps } = request;
  if (isSilent(sent))
    return {
      kind: 'unanswered',
      answer: () => (sent.kind === 'answered' ? relay(request, sent.answer) : sent.refusal),
    };
  if (sent.kind !== 'answered') return { kind: 'refused', answer: sent.refusal };
  if (!accepted(sent.answer)) {
    // Graph judges the token before it looks for the call, so this is its word about the caller's own call.
    if (sent.answer.status === 404 && caller.who !== null)
      await deps.gate.callEnded(call, caller.who, 'callNotFound');
    return { kind: 'refused', answer: relay(request, sent.answer) };
  }
  await accept(request);
  return whose(request, true);
}

async function whose({ caller, call, deps }: CallRequest, isNew: boolean): Promise<Proof> {
  const stranger = belongs(await deps.gate.bindingOf(call), caller.who);
  return stranger === undefined ? { kind: 'proven', isNew } : { kind: 'refused', answer: stranger };
}

const accepted = ({ status }: RawAnswer): boolean => status >= 200 && status < 300;

/** An answer that says whether Graph takes the token; whatever else went wrong with the look-up refuses no stop. */
const isAboutToken = (sent: Sent<RawAnswer>): boolean =>
  sent.kind === 'answered' && (accepted(sent.answer) || [401, 403, 404].includes(sent.answer.status));

/** Graph did not answer, or broke down over the answer; what is refused or held up here is no word of Graph's. */
const isSilent = (sent: Sent<RawAnswer>): boolean =>
  sent.kind === 'answered'
    ? sent.answer.status >= 500 || sent.answer.status === 408
    : sent.refusal.reason === 'GraphTimeout' || sent.refusal.reason === 'GraphUnreachable';

/** Graph said nothing of the token: it was silent, was not asked, or had too much to do. */
const hasNoWord = (sent: Sent<RawAnswer>): boolean =>
  sent.kind !== 'answered' || isSilent(sent) || sent.answer.status === 429;

/**
 * Graph has accepted the caller for this call. In `graph` mode the first one binds it, whatever was asked: the token is
 * the bot's own. In `jwt` mode the credential is ours and may serve several applications, so that only an answer and a
 * creation bind, as an invitation and a confirmed start do: nobody comes to own a call by asking for it first.
 */
export async function accept({ caller, call, proofs, deps, action }: CallRequest): Promise<void> {
  proofs.add(call, caller);
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
