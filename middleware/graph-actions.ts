import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import { secureUrl } from '../src/auth/fetch.ts';
import { bearerToken } from '../src/core/http/bearer.ts';
import { toGuid } from '../src/core/call/key.ts';
import { refuse } from '../src/core/decision.ts';
import { messageOf } from '../src/core/errors.ts';
import { identifyAction } from '../src/core/graph/identify-action.ts';
import type { Method } from '../src/core/graph/action-table.ts';
import { parseRequestTarget } from '../src/core/http/request-target.ts';
import { controlPlane } from '../src/http/control/plane.ts';
import type { ControlAuth } from '../src/http/ports.ts';
import { isRead } from './guard-body.ts';
import { graphOptions, readOptions, type GraphOptions } from './options.ts';
import { partsOf, type GateParts, type RecordingGate } from './parts.ts';
import { bodyAlreadyRead, callOf, type RouteHandler } from './require-recording.ts';

/**
 * Handles `updateRecordingStatus` of a call: the request body is that of Graph, and the response comes from Graph. A
 * start opens the gate after Graph has confirmed it; a stop is sent after all writes on all instances have ended.
 *
 * @example
 * ```ts
 * const graph = { authorization: async (req, who) => `Bearer ${await graphTokenFor(who)}` };
 * app.post('/calls/:callId/recording', updateRecordingStatus(gate, graph));
 * ```
 */
export const updateRecordingStatus = (gate: RecordingGate, options: GraphOptions): RouteHandler =>
  onGraph(gate, options, 'POST', '/updateRecordingStatus');

/**
 * Hangs up a call; ends its recording first, like a stop.
 *
 * @example
 * ```ts
 * app.delete('/calls/:callId', hangUp(gate, graph));
 * ```
 */
export const hangUp = (gate: RecordingGate, options: GraphOptions): RouteHandler =>
  onGraph(gate, options, 'DELETE', '');

/** The proxy's own control plane, for one action whose call the route names. */
function onGraph(gate: RecordingGate, options: GraphOptions, method: Method, action: string): RouteHandler {
  const parts = partsOf(gate);
  const { callId, graphUrl, version, authorization } = readOptions(graphOptions, options);
  const graph = parts.graphAt(secureUrl('graphUrl', graphUrl).origin);
  const auth = hostAuth(parts, authorization);
  const serve = controlPlane({ ...parts, auth, graph }, (req) => {
    if (isRead(req)) return bodyAlreadyRead(parts.log);
    const call = callOf(callId(req as Request));
    if (!call.ok) return call;
    const target = parseRequestTarget(`/${version}/communications/calls/${toGuid(call.value)}${action}`);
    return target.ok ? identifyAction(method, target.value) : target;
  });
  return (req, res) => serve(req, res);
}

/** The caller authenticates as on every route; the host supplies the credential for Graph. */
function hostAuth(
  { verifier, log }: GateParts,
  authorization: GraphOptions['authorization'],
): Extract<ControlAuth, { mode: 'jwt' }> {
  const unavailable = (detail: string) =>
    refuse('GraphCredentialUnavailable', { detail, retryAfterMs: 1000 });
  const tokenFor: Extract<ControlAuth, { mode: 'jwt' }>['credentials']['tokenFor'] = async (
    who,
    req: IncomingMessage,
  ) => {
    try {
      const token = bearerToken(await authorization(req as Request, who));
      return token.ok ? token : unavailable('authorization() did not return "Bearer" followed by one token');
    } catch (error) {
      log.error({ error: messageOf(error) }, 'authorization() returned no valid credential for Graph');
      return unavailable('authorization() failed');
    }
  };
  return { mode: 'jwt', verifier, credentials: { tokenFor } };
}
