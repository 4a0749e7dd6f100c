import { mayUpload } from '../../core/call/policy.ts';
import { type Decision, grant, refuse } from '../../core/decision.ts';
import { hasBody } from '../../core/http/exchange.ts';
import type { Reads } from '../../core/http/media-route.ts';
import { counted, expectsContinue } from '../identify-media.ts';
import { factsFor, type MediaRequest } from './context.ts';

/** The stricter of what the route and the policy say decides about reads. */
export async function read({ deps, req, res, match, who }: MediaRequest): Promise<Decision<void>> {
  // A handler could keep the body of what is only called a read.
  if (hasBody(req.headers))
    return counted(deps, refuse('BodyInvalid', { detail: 'a read must not have a body' }));
  const owner = await deps.gate.bindingOf(match.call);
  if (owner === undefined) return counted(deps, refuse('StoreUnavailable', { retryAfterMs: 1000 }));
  const policy = deps.policyFor(owner ?? who);
  if (!mayUpload(policy, owner, who)) return counted(deps, refuse('CallNotFound'));
  const reads = stricter(match.route.reads, policy.mediaReads);
  if (reads === 'refuse') return counted(deps, refuse('ReadsRefused'));
  if (reads === 'whileRecording') {
    const open = await deps.gate.isOpen(match.call, who);
    if (!open.ok) return counted(deps, open);
  }
  if (expectsContinue(req)) res.writeContinue();
  const began = deps.now();
  const forwarded = await match.route.handler.forward({ path: match.path, facts: factsFor(match) }, req, res);
  if (forwarded.kind === 'failed') return counted(deps, forwarded.refusal);
  deps.meter.upstreamAnswer(forwarded.status, (deps.now() - began) / 1000);
  deps.meter.decision('media', 'passed');
  return grant(undefined);
}

function stricter(route: Reads, policy: 'asRouted' | 'whileRecording' | 'refuse'): Reads {
  const order: readonly Reads[] = ['pass', 'whileRecording', 'refuse'];
  const byPolicy: Reads = policy === 'asRouted' ? 'pass' : policy;
  return order.indexOf(byPolicy) > order.indexOf(route) ? byPolicy : route;
}
