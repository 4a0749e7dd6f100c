import type { Socket } from 'node:net';
import type { Forwarded } from '../../core/http/exchange.ts';
import { cutRefusal } from '../../core/http/write-guard.ts';
import type { PassingWrite } from '../../gate/write.ts';
import { callHeaders, type MediaRequest } from './context.ts';
import { discardWhenCut } from './write.ts';

/** A WebSocket is one write, which lasts as long as the stream. */
export async function stream(
  request: MediaRequest,
  guard: PassingWrite,
  client: { readonly socket: Socket; readonly head: Buffer },
): Promise<Forwarded> {
  const { deps, req, res, match } = request;
  const { meter } = deps;
  discardWhenCut(request, guard, true);
  const began = deps.now();
  const onFrames = meter.webSocketFrames.bind(meter);
  const asked = { path: match.path, facts: callHeaders(match, guard), guard, onFrames };
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
