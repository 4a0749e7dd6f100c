import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallKey } from '../../core/call/key.ts';
import type { Decision } from '../../core/decision.ts';
import type { AcceptedTokens } from './accepted-tokens.ts';
import type { Caller } from '../authenticate.ts';
import { bodyMemory, noMemory } from '../body-memory.ts';
import { queuedGraph } from './queued-graph.ts';
import { nameOf } from '../limits.ts';
import type { ControlDeps } from '../ports.ts';
import type { Share } from '../shares.ts';
import type { ControlRequest } from './context.ts';

/** A request before it is counted against a limit. */
export type UnlimitedRequest = Omit<ControlRequest, 'share' | 'keeps'>;

/**
 * Runs a request within the share of its caller; its requests to Graph are queued with those of the same caller.
 * Stops, hang-ups and keepAlives of a call with a known owner have reserved capacity.
 */
export async function withinLimits(
  arrived: UnlimitedRequest,
  accepted: AcceptedTokens,
  run: (request: ControlRequest) => Promise<Decision<number>>,
): Promise<Decision<number>> {
  const { deps, req, res, caller } = arrived;
  const { limits } = deps;
  const share = shareOf(deps, accepted, caller, req);
  const place = limits.controlRequest(share, keptFor(arrived));
  if (!place.ok) return place;
  // Node reads ahead, and would hold more than anybody has asked for; it goes on as soon as somebody does.
  if (!share.proven && !req.complete) req.socket.pause();
  const memory = bodyMemory(limits, share);
  if (!memory.holdsAhead(place.value.pool === 'kept' ? 0 : req.readableLength)) {
    place.value.release();
    return noMemory;
  }
  const request = { ...arrived, share, keeps: memory.keeps };
  const graph = queuedGraph(request, accepted, place.value.pool);
  try {
    return await run({ ...request, deps: { ...deps, graph } });
  } finally {
    memory.release();
    place.value.release();
    dropUnread(res, limits.answerMs);
  }
}

/** A verified caller is known by its name; any other by its address, until Graph has accepted its token. */
function shareOf(
  { clientAddress }: ControlDeps,
  accepted: AcceptedTokens,
  { who, verified, tokenHash }: Caller,
  req: IncomingMessage,
): Share {
  if (!verified && !accepted.has(tokenHash)) return { name: clientAddress(req), proven: false };
  return { name: who === null ? tokenHash : nameOf(who), proven: true };
}

const kept: ReadonlySet<string> = new Set(['recordingStatus', 'hangUp', 'keepAlive']);

/** A stranger may only claim to be the owner of a call whose id it knows, and one call has few of these places. */
function keptFor({ action, caller, deps }: UnlimitedRequest): CallKey | undefined {
  const { call } = action;
  if (call === undefined || caller.who === null || !kept.has(action.row.effect)) return undefined;
  const owner = deps.gate.knownOwner(call);
  return owner !== undefined && nameOf(owner) === nameOf(caller.who) ? call : undefined;
}

/** What has been answered, and is not read, holds nothing but its connection, and that not for ever. */
function dropUnread(res: ServerResponse, withinMs: number): void {
  if (!res.headersSent || res.writableFinished || res.destroyed) return;
  const timer = setTimeout(() => res.destroy(), withinMs);
  res.once('close', () => clearTimeout(timer));
}
