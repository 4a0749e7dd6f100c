import type { Readable } from 'node:stream';
import type { CallKey } from '../../core/call/key.ts';
import { judgeCallbackUri, type CallbackJudgement } from '../../core/http/callback-uri.ts';
import { grant, type Decision } from '../../core/decision.ts';
import { messageOf } from '../../core/errors.ts';
import { actionName } from '../../core/graph/identify-action.ts';
import { parseJson, replaceText, tooLarge, notJsonContent } from '../body.ts';
import { noMemory } from '../body-memory.ts';
import { readSmall, type SmallBody } from '../small-body.ts';
import { correlationFacts, type ControlRequest } from './context.ts';

/** Body of an action that may contain the callback URI of a call. */
export interface CallbackBody {
  /** As it goes on to Graph. */
  readonly body: Buffer | Readable;
  readonly outcome: 'proxied' | 'rewritten' | 'bypasses' | 'absent' | 'unreadable';
  /** The host that it names instead of the proxy's. */
  readonly host: string | null;
}

/**
 * Reads and checks the `callbackUri`, and replaces it with the address of the proxy if the policy says so. A body
 * that cannot be read is forwarded unchanged, because signalling must not be blocked, and counts as a bypass.
 */
export async function readCallbackBody(request: ControlRequest): Promise<Decision<CallbackBody>> {
  const { deps, req, policy, share, keeps } = request;
  const unfit = notJsonContent(req);
  const limit = deps.limits.callbackBody(share);
  const read = await readSmall(req, limit, keeps);
  if (!read.ok) return read;
  if (read.value.kind === 'stream') return unjudged(request, read.value, limit.maxBytes);
  const { body } = read.value;
  const parsed = unfit ?? parseJson(body);
  if (!parsed.ok) return grant({ body, outcome: 'unreadable', host: null });
  const key = Object.keys(parsed.value).find((name) => name.toLowerCase() === 'callbackuri') ?? 'callbackUri';
  const judged = judge(request, parsed.value[key]);
  if (judged.kind !== 'bypasses') return grant({ body, outcome: judged.kind, host: null });
  const { host, instead } = judged;
  if (policy.callbackUri !== 'rewrite' || instead === null) return grant({ body, outcome: 'bypasses', host });
  return grant({ body: replaceText(body, key, instead), outcome: 'rewritten', host });
}

/** Too large, or too many of them at once: nothing in it can be rewritten, so it passes only where nothing should be. */
function unjudged(
  { policy, share }: ControlRequest,
  { body, why }: Extract<SmallBody, { kind: 'stream' }>,
  maxBytes: number,
): Decision<CallbackBody> {
  if (why === 'tooLarge' && (share.proven || policy.callbackUri === 'rewrite')) return tooLarge(maxBytes);
  if (policy.callbackUri === 'rewrite') return noMemory;
  return grant({ body, outcome: 'unreadable', host: null });
}

const judge = ({ deps }: ControlRequest, value: unknown): CallbackJudgement =>
  deps.callbacks === undefined ? { kind: 'absent' } : judgeCallbackUri(value, deps.callbacks);

/** Called after Graph accepted the callback URI: flags a call whose notifications will not reach the proxy. */
export function reportCallback(
  request: ControlRequest,
  call: CallKey | undefined,
  { outcome, host }: CallbackBody,
): void {
  const { deps, action, caller } = request;
  deps.meter.callbackUri(outcome);
  if (outcome !== 'bypasses' && outcome !== 'unreadable') return;
  const facts = { action: actionName(action.row), outcome, host };
  deps.log.warn(
    { ...facts, call: call ?? null },
    'the callback URI of a call bypasses the proxy or cannot be read: the notifications of the call do not reach the proxy',
  );
  if (call === undefined) return;
  const missing = (why: object): void =>
    deps.log.error(
      { call, ...why },
      'a callback URI that bypasses the proxy could not be recorded in the evidence',
    );
  // Nobody waits for it: the answer is with the bot already.
  deps.gate
    .note('callbackBypassed', call, caller.who, { ...facts, ...correlationFacts(request) })
    .then((noted) => {
      if (!noted.ok) missing({ reason: noted.reason });
    })
    .catch((error: unknown) => missing({ error: messageOf(error) }));
}
