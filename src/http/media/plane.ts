import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { toGuid } from '../../core/call/key.ts';
import { mayUpload } from '../../core/call/policy.ts';
import { type Decision, grant, type Refusal, refuse } from '../../core/decision.ts';
import type { TokenHeader } from '../../core/http/bearer.ts';
import { type Forwarded, hasBody } from '../../core/http/exchange.ts';
import {
  matchRoute,
  type MediaRoute,
  onlyWebSockets,
  parseMediaTarget,
  readMethods,
  type Reads,
  type RouteMatch,
  routeOf,
  spelledAsItCame,
} from '../../core/http/media-route.ts';
import type { RequestTarget } from '../../core/http/request-target.ts';
import { asksForWebSocket, invalidHandshake } from '../../core/http/websocket.ts';
import { cutRefusal, isStopReason } from '../../core/http/write-guard.ts';
import type { Identity } from '../../core/ports/identity.ts';
import type { Write } from '../../gate/write.ts';
import { answering } from '../answer.ts';
import { admitWrite, lookedUp } from '../enforce.ts';
import { counted, expectsContinue, type IdentifyDeps, identifyMedia } from '../identify-call.ts';
import type { MediaPort } from '../ports.ts';
import { header } from '../problem.ts';
import { answerToUpgrade } from './upgrade-answer.ts';

/** A route with the handler behind it. */
export interface ServedRoute extends MediaRoute {
  readonly handler: MediaPort;
}

export interface MediaDeps extends IdentifyDeps {
  readonly routes: readonly ServedRoute[];
}

interface MediaRequest {
  readonly deps: MediaDeps;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly match: RouteMatch<ServedRoute>;
  readonly who: Identity;
}

export interface MediaPlane {
  /** Answers the requests of the media routes; false: the path is none of them. */
  serve(req: IncomingMessage, res: ServerResponse): boolean;
  /** Takes over a connection that is to become a WebSocket; false: that is not offered there. */
  upgrade(req: IncomingMessage, socket: Socket, head: Buffer): boolean;
}

/** Media requests: identify, authenticate, enforce, forward, record; on the plain server, before Express. */
export function mediaPlane(deps: MediaDeps): MediaPlane {
  return {
    serve(req, res) {
      const target = parseMediaTarget(deps.routes, req.url ?? '');
      // What does not parse is refused by the control plane, whatever it was meant for.
      if (!target.ok) return false;
      const match = matchRoute(deps.routes, target.value, (name) => header(req, name));
      if (match === undefined) return false;
      const found = findings(deps, req, target.value, match);
      answering(deps, 'media', req, res, () => serve(deps, req, res, found));
      return true;
    },
    upgrade(req, socket, head) {
      const target = parseMediaTarget(deps.routes, req.url ?? '');
      if (!target.ok || routeOf(deps.routes, target.value)?.websocket !== true) return false;
      if (!asksForWebSocket(req.method ?? '', req.httpVersion, req.headers)) return false;
      const match = matchRoute(deps.routes, target.value, (name) => header(req, name));
      if (match === undefined) return false;
      const res = answerToUpgrade(req, socket);
      const found = findings(deps, req, target.value, match);
      answering(deps, 'media', req, res, () => upgrade(deps, req, res, { socket, head }, found));
      return true;
    },
  };
}

interface Found {
  readonly match: Decision<RouteMatch<ServedRoute>>;
  /** Also where the call id is none. */
  readonly tokenIn: TokenHeader;
}

function findings(
  { routes }: MediaDeps,
  req: IncomingMessage,
  target: RequestTarget,
  match: Decision<RouteMatch<ServedRoute>>,
): Found {
  if (!match.ok) return { match, tokenIn: routeOf(routes, target)?.token ?? 'Authorization' };
  const { token = 'Authorization' } = match.value.route;
  return { match: grant(spelledAsItCame(match.value, req.url ?? '')), tokenIn: token };
}

/** A host and perhaps a port (RFC 9110, section 7.2), and nothing that a URL could hide in. */
const plainHost = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i;

async function identify(
  deps: MediaDeps,
  req: IncomingMessage,
  { match, tokenIn }: Found,
): ReturnType<typeof identifyMedia<RouteMatch<ServedRoute>>> {
  const known = await identifyMedia(deps, req, match, tokenIn);
  if (!known.ok || known.value.target.route.host !== 'keep') return known;
  return plainHost.test(req.headers.host ?? '')
    ? known
    : counted(deps, refuse('TargetInvalid', { detail: 'the Host header, which goes on, is not a host' }));
}

async function serve(
  deps: MediaDeps,
  req: IncomingMessage,
  res: ServerResponse,
  found: Found,
): Promise<Decision<void>> {
  const known = await identify(deps, req, found);
  if (!known.ok) return known;
  const { who, target } = known.value;
  const request: MediaRequest = { deps, req, res, match: target, who };
  const { route } = target;
  if (onlyWebSockets(route)) return counted(deps, refuse('UpgradeRequired'));
  const method = req.method ?? '';
  if (route.methods.includes(method)) return write(request, upload);
  if (readMethods.includes(method)) return read(request);
  return counted(
    deps,
    refuse('MethodNotAllowed', { detail: `offered: ${[...route.methods, ...readMethods].join(', ')}` }),
  );
}

async function upgrade(
  deps: MediaDeps,
  req: IncomingMessage,
  res: ServerResponse,
  client: { readonly socket: Socket; readonly head: Buffer },
  found: Found,
): Promise<Decision<void>> {
  const known = await identify(deps, req, found);
  if (!known.ok) return known;
  const { who, target } = known.value;
  const unfit = invalidHandshake(req.headers);
  if (unfit !== undefined) return counted(deps, unfit);
  return write({ deps, req, res, match: target, who }, (request, guard) => stream(request, guard, client));
}

/** Passes an admitted write on, and ends its guard. */
type Pass = (request: MediaRequest, guard: Write) => Promise<Forwarded>;

async function write(request: MediaRequest, pass: Pass): Promise<Decision<void>> {
  const { deps, match, who } = request;
  const room = deps.limits.upload(match.call, who);
  if (!room.ok) return counted(deps, await closedOr(room, request));
  try {
    return await writeInRoom(request, pass);
  } finally {
    room.value();
  }
}

/** At a closed gate the reason is the gate: a status that is retried would turn early media into late media. */
async function closedOr(noRoom: Refusal, { deps, match, who }: MediaRequest): Promise<Refusal> {
  const open = await lookedUp(deps, match.call, who, () => deps.gate.isOpen(match.call, who));
  return open.ok ? noRoom : open;
}

async function writeInRoom(request: MediaRequest, pass: Pass): Promise<Decision<void>> {
  const { deps, match, who } = request;
  const admitted = await admitWrite(deps, request.req, match.call, who);
  if (!admitted.ok) return admitted;
  const passed = await pass(request, admitted.value);
  if (passed.kind === 'answered') return grant(undefined);
  const { reason } = passed.refusal;
  if (isStopReason(reason)) deps.gate.refused(match.call, reason, who);
  return counted(deps, passed.refusal);
}

/** What is on its way when the write is cut may be with the handler already; a route may say how that is discarded. */
function discardWhenCut({ match }: MediaRequest, guard: Write, stream = false): void {
  const { discard } = match.route.handler;
  if (discard === undefined) return;
  guard.onDiscard((withinMs) =>
    discard(
      {
        write: guard.id,
        call: toGuid(match.call),
        epoch: guard.grant.epoch,
        reason: guard.stopReason,
        stream,
      },
      withinMs,
    ),
  );
}

async function upload(request: MediaRequest, guard: Write): Promise<Forwarded> {
  const { deps, req, res, match } = request;
  discardWhenCut(request, guard);
  // Only now is the client asked for the body.
  if (expectsContinue(req)) res.writeContinue();
  const began = deps.now();
  const forwarded = await match.route.handler.forward(
    { path: match.path, facts: factsFor(match, guard), guard },
    req,
    res,
  );
  guard.end(forwarded.kind === 'answered' && req.complete);
  if (forwarded.kind === 'answered') deps.meter.upstreamAnswer(forwarded.status, (deps.now() - began) / 1000);
  return forwarded;
}

/** A WebSocket is one write, which lasts as long as the stream. */
async function stream(
  request: MediaRequest,
  guard: Write,
  client: { readonly socket: Socket; readonly head: Buffer },
): Promise<Forwarded> {
  const { deps, req, res, match } = request;
  const { meter } = deps;
  discardWhenCut(request, guard, true);
  const began = deps.now();
  const onFrames = meter.webSocketFrames.bind(meter);
  const asked = { path: match.path, facts: factsFor(match, guard), guard, onFrames };
  const opened = await match.route.handler.openWebSocket(asked, req, res, client);
  if (opened.kind !== 'failed')
    meter.upstreamAnswer(opened.kind === 'opened' ? 101 : opened.status, (deps.now() - began) / 1000);
  if (opened.kind !== 'opened') {
    guard.end(opened.kind === 'answered');
    return opened;
  }
  meter.webSocket('opened');
  const { how, complete } = await opened.over;
  guard.end(complete);
  meter.webSocket(how);
  return how === 'cut'
    ? { kind: 'failed', refusal: cutRefusal(guard.stopReason) }
    : { kind: 'answered', status: 101, headers: {} };
}

/** The stricter of what the route and the policy say decides about reads. */
async function read({ deps, req, res, match, who }: MediaRequest): Promise<Decision<void>> {
  // A handler could keep the body of what is only called a read.
  if (hasBody(req.headers)) return counted(deps, refuse('BodyInvalid', { detail: 'a read has no body' }));
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

const factsFor = ({ call }: RouteMatch, write?: Write): Readonly<Record<string, string>> => ({
  'tallylight-call': toGuid(call),
  ...(write === undefined
    ? {}
    : { 'tallylight-epoch': String(write.grant.epoch), 'tallylight-write': write.id }),
});
