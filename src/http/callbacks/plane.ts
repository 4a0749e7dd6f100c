import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Decision, refuse } from '../../core/decision.ts';
import { matchCallback } from '../../core/http/callback-route.ts';
import { parseRequestTarget } from '../../core/http/request-target.ts';
import { runStages } from '../answer.ts';
import { tokenOf } from '../authenticate.ts';
import type { RequestFacts } from '../request-log.ts';
import type { CallbackDeps, Match } from './context.ts';
import { forwardNotification } from './forward.ts';

/** Answers requests for callback paths; false: no callback path matches. */
export type CallbackPlane = (req: IncomingMessage, res: ServerResponse) => boolean;

/**
 * Notifications from Graph: authenticate, forward to the bot unchanged, process. Forwarding never waits for
 * processing, and works while the store is down.
 */
export function callbackPlane(deps: CallbackDeps): CallbackPlane {
  return (req, res) => {
    const target = parseRequestTarget(req.url ?? '');
    const match = target.ok ? matchCallback(deps.routes, target.value) : undefined;
    if (match === undefined) return false;
    runStages(deps, 'notification', req, res, async (facts) => {
      const passed = await serve(deps, req, res, match, facts);
      deps.meter.decision('notification', passed.ok ? 'passed' : passed.reason);
      return passed;
    });
    return true;
  };
}

async function serve(
  deps: CallbackDeps,
  req: IncomingMessage,
  res: ServerResponse,
  match: Match,
  facts: RequestFacts,
): Promise<Decision<void>> {
  facts.route = match.route.path;
  const token = tokenOf(req);
  if (!token.ok) return token;
  const by = await deps.verifier.verify(token.value);
  if (!by.ok) return by;
  facts.who = by.value;
  if (req.method !== 'POST') return refuse('MethodNotAllowed', { detail: 'allowed: POST' });
  const room = deps.limits.notification(by.value);
  if (!room.ok) return room;
  try {
    return await forwardNotification(deps, req, res, match, by.value, facts);
  } finally {
    room.value();
  }
}
