import type { IncomingMessage } from 'node:http';
import { type Decision, grant, refuse } from '../core/decision.ts';
import type { TokenHeader } from '../core/http/bearer.ts';
import type { Identity, Verifier } from '../core/ports/identity.ts';
import { authenticateMedia } from './authenticate.ts';
import type { StageDeps } from './ports.ts';

export interface IdentifyDeps extends StageDeps {
  readonly verifier: Verifier;
}

/**
 * Stages 1 and 2 of a media request: identify the caller and the call. The order is the same for the proxy and the
 * middleware: without a valid token a client cannot find out whether a call id or a route is valid.
 */
export async function identifyMedia<Target>(
  deps: IdentifyDeps,
  req: IncomingMessage,
  target: Decision<Target>,
  tokenIn: TokenHeader = 'Authorization',
): Promise<Decision<{ readonly who: Identity; readonly target: Target }>> {
  const who = await authenticateMedia(deps.verifier, req, tokenIn);
  if (!who.ok) return countRefusal(deps, who);
  if (!target.ok) return countRefusal(deps, target);
  if (req.headers.expect !== undefined && !expectsContinue(req))
    return countRefusal(deps, refuse('ExpectationFailed'));
  return grant({ who: who.value, target: target.value });
}

export const expectsContinue = (req: IncomingMessage): boolean =>
  req.headers.expect?.toLowerCase() === '100-continue';

/** Counts a refusal of a media request in the metrics. */
export function countRefusal<T>({ meter }: Pick<StageDeps, 'meter'>, decision: Decision<T>): Decision<T> {
  if (!decision.ok) meter.decision('media', decision.reason);
  return decision;
}
