import type { IncomingMessage, ServerResponse } from 'node:http';
import { toGuid } from '../core/call-key.ts';
import { grant, refuse, type Decision } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import {
  matchRoute,
  readMethods,
  type MediaRoute,
  type Reads,
  type RouteMatch,
} from '../core/media-route.ts';
import type { Identity, Verifier } from '../core/ports.ts';
import { parseRequestTarget } from '../core/request-target.ts';
import { authenticateMedia } from './authenticate.ts';
import { admitWrite } from './enforce.ts';
import type { MediaPort, StageDeps } from './ports.ts';
import { answerRefusal, header } from './problem.ts';

/** A route with the handler behind it. */
export interface ServedRoute extends MediaRoute {
  readonly handler: MediaPort;
}

export interface MediaDeps extends StageDeps {
  readonly verifier: Verifier;
  readonly routes: readonly ServedRoute[];
}

interface MediaRequest {
  readonly deps: MediaDeps;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly match: RouteMatch<ServedRoute>;
  readonly who: Identity;
}

/** Answers the requests of the media routes; false: the path is none of them. */
export type MediaPlane = (req: IncomingMessage, res: ServerResponse) => boolean;

/** Media requests: identify, authenticate, enforce, forward, record; on the plain server, before Express. */
export function mediaPlane(deps: MediaDeps): MediaPlane {
  return (req, res) => {
    const target = parseRequestTarget(req.url ?? '');
    // What does not parse is refused by the control plane, whatever it was meant for.
    if (!target.ok) return false;
    const match = matchRoute(deps.routes, target.value, (name) => header(req, name));
    if (match === undefined) return false;
    const requestId = deps.newId();
    serve(deps, req, res, match)
      .catch((error: unknown) => {
        deps.log.error({ requestId, error: messageOf(error) }, 'a media request failed inside the proxy');
        return refuse('InternalFault');
      })
      .then((decision) => {
        if (!decision.ok) answerRefusal(req, res, decision, requestId);
      })
      .catch((error: unknown) => {
        deps.log.error({ requestId, error: messageOf(error) }, 'an answer could not be given');
        res.destroy();
      });
    return true;
  };
}

async function serve(
  deps: MediaDeps,
  req: IncomingMessage,
  res: ServerResponse,
  match: Decision<RouteMatch<ServedRoute>>,
): Promise<Decision<void>> {
  const who = await authenticateMedia(deps.verifier, req);
  if (!who.ok) return counted(deps, who);
  if (!match.ok) return counted(deps, match);
  const request: MediaRequest = { deps, req, res, match: match.value, who: who.value };
  const { route } = match.value;
  const method = req.method ?? '';
  if (req.headers.expect !== undefined && !expectsContinue(req))
    return counted(deps, refuse('ExpectationFailed'));
  if (route.methods.includes(method)) return write(request);
  if (readMethods.includes(method)) return read(request);
  return counted(
    deps,
    refuse('MethodNotAllowed', { detail: `offered: ${[...route.methods, ...readMethods].join(', ')}` }),
  );
}

const expectsContinue = (req: IncomingMessage): boolean =>
  req.headers.expect?.toLowerCase() === '100-continue';

async function write({ deps, req, res, match, who }: MediaRequest): Promise<Decision<void>> {
  const admitted = await admitWrite(deps, match.call, who);
  if (!admitted.ok) return admitted;
  const guard = admitted.value;
  // Only now is the client asked for the body.
  if (expectsContinue(req)) res.writeContinue();
  const began = deps.now();
  const forwarded = await match.route.handler.forward(
    { path: match.path, facts: factsFor(match, guard.grant.epoch), guard },
    req,
    res,
  );
  guard.end(forwarded.kind === 'answered' && req.complete);
  if (forwarded.kind === 'answered') {
    deps.meter.upstreamAnswer(forwarded.status, (deps.now() - began) / 1000);
    return grant(undefined);
  }
  if (forwarded.refusal.reason === 'RecordingStopped') deps.gate.refused(match.call, 'RecordingStopped');
  return counted(deps, forwarded.refusal);
}

/** The stricter of what the route and the policy say decides about reads. */
async function read({ deps, req, res, match, who }: MediaRequest): Promise<Decision<void>> {
  const owner = await deps.gate.bindingOf(match.call);
  const reads = stricter(match.route.reads, deps.policyFor(owner ?? who).mediaReads);
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

const factsFor = ({ call }: RouteMatch, epoch?: number): Readonly<Record<string, string>> => ({
  'tallylight-call': toGuid(call),
  ...(epoch === undefined ? {} : { 'tallylight-epoch': String(epoch) }),
});

function counted<T>({ meter }: MediaDeps, decision: Decision<T>): Decision<T> {
  if (!decision.ok) meter.decision('media', decision.reason);
  return decision;
}
