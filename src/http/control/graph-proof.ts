import { setTimeout as sleep } from 'node:timers/promises';
import { grant, refuse, type Decision, type Refusal } from '../../core/decision.ts';
import type { RawAnswer, Sent } from '../../core/graph/exchange.ts';
import { callPathOf } from '../../core/graph/identify-action.ts';
import { messageOf } from '../../core/errors.ts';
import { ownHeaders, relay, senderFor, type CallRequest } from './context.ts';
import { tokenVerdict } from './token-verdict.ts';

/** Graph that has said nothing for so long does not answer for now, ms. */
const silentAfterMs = 1000;

/** Graph's verdict on a token for a call; `answer` is the response for the client. */
export type Proof =
  /** `isNew`: Graph was asked for this very request. */
  | { readonly kind: 'proven'; readonly isNew: boolean }
  /** Graph, or the call's binding, is against it. */
  | { readonly kind: 'refused'; readonly answer: Decision<number> }
  /** Graph itself does not answer. */
  | { readonly kind: 'unanswered'; readonly answer: () => Decision<number> };

/**
 * In `graph` mode a status change is acted on only after Graph has accepted a request for that call with that
 * token, so that a stranger can neither open a gate nor close one (docs/design/callers.md). Asks Graph where that is
 * not known yet. The gate is held closed for a stop as soon as Graph is late, until Graph answers.
 */
export async function prove(request: CallRequest): Promise<Proof> {
  const { caller, call, proofs } = request;
  if (caller.verified) return { kind: 'proven', isNew: true };
  if (proofs.has(call, caller)) return checkOwner(request, false);
  const { sent, left } = askForCall(request);
  const timeout = left.then(() => pause(silentAfterMs));
  const soon = await Promise.race([sent, timeout]);
  if (soon === undefined) request.holdClosed();
  return judge(request, soon ?? (await sent));
}

/**
 * Before a stop Graph is asked anew, unless it was for this very request: a token that it refuses by now closes nothing.
 * Only its word about the token counts, and only while the other instances can still be told in time; otherwise its word
 * from before does. A refusal is what the client gets instead of the stop.
 */
export async function proveAgain(request: CallRequest): Promise<Decision<number> | undefined> {
  if (request.isProvenAnew === true) return undefined;
  const sent = await askInTime(request);
  if (sent === undefined || !['accepted', 'refused', 'gone'].includes(tokenVerdict(sent))) return undefined;
  const proof = await judge(request, sent);
  return proof.kind === 'refused' ? proof.answer : undefined;
}

/** Graph's answer, if it comes while the stop can wait for it; what has not even left is not waited for. */
async function askInTime(request: CallRequest): Promise<Sent<RawAnswer> | undefined> {
  const { call, deps } = request;
  const { sent, hasLeft } = askForCall(request);
  sent.catch((error: unknown) =>
    deps.log.error({ call, error: messageOf(error) }, 'a Graph token could not be verified again'),
  );
  const { proofMs } = deps.gate;
  const silentMs = Math.min(silentAfterMs, proofMs / 2);
  const soon = await Promise.race([sent, pause(silentMs)]);
  if (soon !== undefined || !hasLeft()) return soon;
  request.holdClosed();
  return Promise.race([sent, pause(proofMs - silentMs)]);
}

const pause = (ms: number): Promise<undefined> => sleep(ms, undefined, { ref: false });

/** Graph's verdict on the token of a stop that is held closed, without a response to a client. */
export async function graphAccepts(request: CallRequest): Promise<'accepted' | 'refused' | 'unanswered'> {
  const sent = await askForCall(request).sent;
  const verdict = tokenVerdict(sent);
  if (verdict === 'noAnswer' || verdict === 'busy') return 'unanswered';
  const proof = await judge(request, sent, () => grant(0));
  return proof.kind === 'proven' ? 'accepted' : 'refused';
}

interface Asked {
  readonly sent: Promise<Sent<RawAnswer>>;
  /** Resolves once the request is on its way to Graph. */
  readonly left: Promise<void>;
  readonly hasLeft: () => boolean;
}

function askForCall(request: CallRequest): Asked {
  let isOut = false;
  let leave = (): void => undefined;
  const left = new Promise<void>((resolve) => (leave = resolve));
  const ask = senderFor(request, {
    method: 'GET',
    path: callPathOf(request.action),
    headers: ownHeaders(request),
    body: null,
  });
  const sent = ask(() => {
    isOut = true;
    leave();
    return true;
  });
  return { sent, left, hasLeft: () => isOut };
}

/** `relayed`: what the client gets of an answer of Graph. */
async function judge(
  request: CallRequest,
  sent: Sent<RawAnswer>,
  relayed = (answer: RawAnswer): Decision<number> => relay(request, answer),
): Promise<Proof> {
  const { caller, call, deps, facts } = request;
  const answer = (): Decision<number> => (sent.kind === 'answered' ? relayed(sent.answer) : sent.refusal);
  const verdict = tokenVerdict(sent);
  if (verdict === 'noAnswer') return { kind: 'unanswered', answer };
  if (verdict === 'accepted') {
    await recordAcceptance(request);
    return checkOwner(request, true);
  }
  if (verdict === 'gone' && caller.who !== null)
    await deps.gate.callEnded(call, caller.who, 'callNotFound', facts);
  return { kind: 'refused', answer: answer() };
}

async function checkOwner({ caller, call, deps }: CallRequest, isNew: boolean): Promise<Proof> {
  const stranger = refuseStranger(await deps.gate.bindingOf(call), caller.who);
  return stranger === undefined ? { kind: 'proven', isNew } : { kind: 'refused', answer: stranger };
}

/**
 * Graph has accepted the caller for this call. In `graph` mode the first one binds it, whatever was asked: the token is
 * the bot's own. In `jwt` mode the credential is ours and may serve several applications, so that only an answer and a
 * creation bind, as an invitation and a confirmed start do: nobody comes to own a call by asking for it first.
 */
export async function recordAcceptance({
  caller,
  call,
  proofs,
  deps,
  action,
  facts,
}: Omit<CallRequest, 'json' | 'holdClosed'>): Promise<void> {
  proofs.add(call, caller);
  deps.gate.touch(call);
  const { effect } = action.row;
  const binds = !caller.verified || effect === 'answer' || effect === 'create';
  if (caller.who !== null && binds) await deps.gate.bind(call, caller.who, facts);
}

/**
 * Callers other than the owner get the same response as for a call that does not exist. If the binding is unknown,
 * nobody is refused, because signalling must not be blocked.
 */
export function refuseStranger(
  binding: Awaited<ReturnType<CallRequest['deps']['gate']['bindingOf']>>,
  who: CallRequest['caller']['who'],
): Refusal | undefined {
  if (binding === null || binding === undefined || who === null) return undefined;
  return binding.tenant === who.tenant && binding.app === who.app ? undefined : refuse('CallNotFound');
}
