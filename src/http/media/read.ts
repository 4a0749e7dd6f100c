import { mayUpload } from '../../core/call/policy.ts';
import { type Decision, grant, refuse } from '../../core/decision.ts';
import { hasBody } from '../../core/http/exchange.ts';
import type { Reads } from '../../core/http/media-route.ts';
import { countRefusal, expectsContinue } from '../identify-media.ts';
import { callHeaders, type MediaRequest } from './context.ts';

/** Reads are allowed only if both the route and the policy allow them. */
export async function read({ deps, req, res, match, who }: MediaRequest): Promise<Decision<void>> {
  // A handler could keep the body of what is only called a read.
  if (hasBody(req.headers))
    return countRefusal(deps, refuse('BodyInvalid', { detail: 'a read must not have a body' }));
  const owner = await deps.gate.bindingOf(match.call);
  if (owner === undefined) return countRefusal(deps, refuse('StoreUnavailable', { retryAfterMs: 1000 }));
  const policy = deps.policyFor(owner ?? who);
  if (!mayUpload(policy, owner, who)) return countRefusal(deps, refuse('CallNotFound'));
  const reads = stricter(match.route.reads, policy.mediaReads);
  if (reads === 'refuse') return countRefusal(deps, refuse('ReadsRefused'));
  if (reads === 'whileRecording') {
    const open = await deps.gate.isOpen(match.call, who);
    if (!open.ok) return countRefusal(deps, open);
  }
  if (expectsContinue(req)) res.writeContinue();
  const began = deps.now();
  const forwarded = await match.route.handler.forward(
    { path: match.path, facts: callHeaders(match) },
    req,
    res,
  );
  if (forwarded.kind === 'failed') return countRefusal(deps, forwarded.refusal);
  deps.meter.upstreamAnswer(forwarded.status, (deps.now() - began) / 1000);
  deps.meter.decision('media', 'passed');
  return grant(undefined);
}

function stricter(route: Reads, policy: 'asRouted' | 'whileRecording' | 'refuse'): Reads {
  const order: readonly Reads[] = ['pass', 'whileRecording', 'refuse'];
  const byPolicy: Reads = policy === 'asRouted' ? 'pass' : policy;
  return order.indexOf(byPolicy) > order.indexOf(route) ? byPolicy : route;
}
