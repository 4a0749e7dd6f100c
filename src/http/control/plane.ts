import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Decision, refuse } from '../../core/decision.ts';
import { actionName, type GraphAction, identifyAction } from '../../core/graph/identify-action.ts';
import { parseRequestTarget } from '../../core/http/request-target.ts';
import { runStages } from '../answer.ts';
import { authenticateControl } from '../authenticate.ts';
import type { ControlDeps } from '../ports.ts';
import { AcceptedTokens } from './accepted-tokens.ts';
import { enforce } from './enforce.ts';
import { type UnlimitedRequest, withinLimits } from './place.ts';
import { Proofs } from './proofs.ts';

/** Which action of Graph a request stands for. */
export type IdentifyAction = (req: IncomingMessage) => Decision<GraphAction>;

/** The proxy takes the action from the path; the middleware knows it from the route. */
const actionOfPath: IdentifyAction = (req) => {
  const target = parseRequestTarget(req.url ?? '');
  return target.ok ? identifyAction(req.method ?? '', target.value) : target;
};

/** Requests to Graph: authenticate, identify, enforce, forward, settle, record. */
export function controlPlane(
  deps: ControlDeps,
  identify: IdentifyAction = actionOfPath,
): (req: IncomingMessage, res: ServerResponse) => void {
  const proofs = new Proofs(deps.now);
  const accepted = new AcceptedTokens();
  return (req, res) => {
    runStages(deps, 'control', req, res, async (facts) => {
      const decision = await judge({ deps, proofs, req, res, facts }, accepted, identify);
      deps.meter.decision('control', decision.ok ? 'passed' : decision.reason);
      return decision;
    });
  };
}

async function judge(
  came: Omit<UnlimitedRequest, 'caller' | 'action' | 'policy' | 'isUnowned'>,
  accepted: AcceptedTokens,
  identify: IdentifyAction,
): Promise<Decision<number>> {
  const { deps, req, facts } = came;
  const caller = await authenticateControl(deps.auth, req);
  if (!caller.ok) return caller;
  facts.who = caller.value.who;
  facts.isClaim = !caller.value.verified;
  const action = identify(req);
  if (!action.ok) return action;
  facts.call = action.value.call;
  facts.action = actionName(action.value.row);
  const policy = deps.policyFor(caller.value.who);
  if (action.value.appAlias && policy.appAlias === 'refuse') {
    return refuse('PolicyRefused', {
      detail: `the deprecated /app root is refused by the policy "${policy.name}"`,
    });
  }
  const arrived = { ...came, caller: caller.value, action: action.value, policy };
  return withinLimits(arrived, accepted, enforce);
}
