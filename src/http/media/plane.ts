import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Decision, refuse } from '../../core/decision.ts';
import {
  matchRoute,
  onlyWebSockets,
  parseMediaTarget,
  readMethods,
  routeOf,
} from '../../core/http/media-route.ts';
import { asksForWebSocket, invalidHandshake } from '../../core/http/websocket.ts';
import { runStages } from '../answer.ts';
import { countRefusal } from '../identify-media.ts';
import { header } from '../problem.ts';
import type { RequestFacts } from '../request-log.ts';
import type { MediaDeps, MediaRequest } from './context.ts';
import { findRoute, type FoundRoute, identify } from './identify.ts';
import { read } from './read.ts';
import { stream } from './stream.ts';
import { answerToUpgrade } from './upgrade-answer.ts';
import { upload, write } from './write.ts';

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
      const found = findRoute(deps, req, target.value, match);
      runStages(deps, 'media', req, res, (facts) => serve(deps, req, res, found, facts));
      return true;
    },
    upgrade(req, socket, head) {
      const target = parseMediaTarget(deps.routes, req.url ?? '');
      if (!target.ok || routeOf(deps.routes, target.value)?.websocket !== true) return false;
      if (!asksForWebSocket(req.method ?? '', req.httpVersion, req.headers)) return false;
      const match = matchRoute(deps.routes, target.value, (name) => header(req, name));
      if (match === undefined) return false;
      const res = answerToUpgrade(req, socket);
      const found = findRoute(deps, req, target.value, match);
      runStages(deps, 'media', req, res, (facts) => upgrade(deps, req, res, { socket, head }, found, facts));
      return true;
    },
  };
}

async function serve(
  deps: MediaDeps,
  req: IncomingMessage,
  res: ServerResponse,
  found: FoundRoute,
  facts: RequestFacts,
): Promise<Decision<void>> {
  const known = await identify(deps, req, found, facts);
  if (!known.ok) return known;
  const { who, target } = known.value;
  const request: MediaRequest = { deps, req, res, match: target, who };
  const { route } = target;
  if (onlyWebSockets(route)) return countRefusal(deps, refuse('UpgradeRequired'));
  const method = req.method ?? '';
  if (route.methods.includes(method)) return write(request, upload);
  if (readMethods.includes(method)) return read(request);
  return countRefusal(
    deps,
    refuse('MethodNotAllowed', { detail: `allowed: ${[...route.methods, ...readMethods].join(', ')}` }),
  );
}

async function upgrade(
  deps: MediaDeps,
  req: IncomingMessage,
  res: ServerResponse,
  client: { readonly socket: Socket; readonly head: Buffer },
  found: FoundRoute,
  facts: RequestFacts,
): Promise<Decision<void>> {
  const known = await identify(deps, req, found, facts);
  if (!known.ok) return known;
  const { who, target } = known.value;
  const unfit = invalidHandshake(req.headers);
  if (unfit !== undefined) return countRefusal(deps, unfit);
  return write({ deps, req, res, match: target, who }, (request, guard) => stream(request, guard, client));
}
