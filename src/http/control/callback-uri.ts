import type { CallKey } from '../../core/call-key.ts';
import { judgeCallbackUri, type CallbackJudgement } from '../../core/callback-uri.ts';
import { grant, type Decision } from '../../core/decision.ts';
import { messageOf } from '../../core/errors.ts';
import { actionName } from '../../core/graph-action.ts';
import { parseJson, readBody, replaceText, unfitForJson } from '../body.ts';
import { askedFacts, type ControlRequest } from './context.ts';

/** The body of an action that may say where Graph sends a call's notifications. */
export interface CallbackBody {
  /** As it goes on to Graph. */
  readonly body: Buffer;
  readonly outcome: 'proxied' | 'rewritten' | 'bypasses' | 'absent' | 'unreadable';
  /** The host that it names instead of the proxy's. */
  readonly host: string | null;
}

/**
 * Reads and judges the `callbackUri`, and puts the proxy's own address in its place where the policy says so. A body
 * that cannot be read passes as it came, since signalling is sacred, and counts as a bypass.
 */
export async function readCallbackBody(request: ControlRequest): Promise<Decision<CallbackBody>> {
  const { deps, req, policy } = request;
  const unfit = unfitForJson(req);
  const body = await readBody(req, deps.limits.notificationBody);
  if (!body.ok) return body;
  const parsed = unfit ?? parseJson(body.value);
  if (!parsed.ok) return grant({ body: body.value, outcome: 'unreadable', host: null });
  const key = Object.keys(parsed.value).find((name) => name.toLowerCase() === 'callbackuri') ?? 'callbackUri';
  const judged = judge(request, parsed.value[key]);
  if (judged.kind !== 'bypasses') return grant({ body: body.value, outcome: judged.kind, host: null });
  const { host, instead } = judged;
  if (policy.callbackUri !== 'rewrite' || instead === null)
    return grant({ body: body.value, outcome: 'bypasses', host });
  return grant({ body: replaceText(body.value, key, instead), outcome: 'rewritten', host });
}

const judge = ({ deps }: ControlRequest, value: unknown): CallbackJudgement =>
  deps.callbacks === undefined ? { kind: 'absent' } : judgeCallbackUri(value, deps.callbacks);

/** Graph has taken it: a call whose notifications will not come this way is flagged. */
export function tellCallback(
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
    'the notifications of a call will not come through the proxy: what Graph tells of it stays unknown here',
  );
  if (call === undefined) return;
  const missing = (why: object): void =>
    deps.log.error({ call, ...why }, 'a bypassed callback is not in the evidence');
  // Nobody waits for it: the answer is with the bot already.
  deps.gate
    .note('callbackBypassed', call, caller.who, { ...facts, ...askedFacts(request) })
    .then((noted) => {
      if (!noted.ok) missing({ reason: noted.reason });
    })
    .catch((error: unknown) => missing({ error: messageOf(error) }));
}
