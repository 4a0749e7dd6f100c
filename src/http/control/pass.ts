import { parseCallKey } from '../../core/call-key.ts';
import { grant } from '../../core/decision.ts';
import { hasBody, type Forwarded, type HeaderMap, type WriteGuard } from '../../core/exchange.ts';
import { actionName } from '../../core/graph-action.ts';
import { accept } from '../graph-proof.ts';
import type { CallRequest, ControlRequest, Handler } from './context.ts';
import type { GraphRequest } from '../ports.ts';

/** Streams the request to Graph and the answer back. */
export async function streamToGraph(request: ControlRequest, guard?: WriteGuard): Promise<Forwarded> {
  const { deps, req, res, action, caller } = request;
  const authorization = await caller.authorization();
  if (!authorization.ok) return { kind: 'failed', refusal: authorization };
  const began = deps.now();
  const forwarded = await deps.graph.forward(
    {
      method: req.method as GraphRequest['method'],
      path: action.path,
      headers: req.headers,
      authorization: authorization.value,
      body: hasBody(req.headers) ? req : null,
      ...(guard === undefined ? {} : { guard }),
    },
    res,
  );
  if (forwarded.kind === 'answered') {
    deps.meter.graphAnswer(actionName(action.row), forwarded.status, (deps.now() - began) / 1000);
  }
  return forwarded;
}

/** Signalling passes, also with the store down; what Graph accepts binds the call. */
export const pass: Handler<ControlRequest> = async (request) => {
  const forwarded = await streamToGraph(request);
  if (forwarded.kind === 'failed') return forwarded.refusal;
  const { status } = forwarded;
  const { action } = request;
  const call = action.row.effect === 'create' ? createdCall(forwarded.headers) : action.call;
  if (call !== undefined) {
    const about: CallRequest = { ...request, call };
    if (status >= 200 && status < 300) await accept(about);
    const { who } = request.caller;
    // Nobody in particular cannot end a call.
    if (status === 404 && action.row.effect === 'keepAlive' && who !== null)
      await request.deps.gate.callGone(call, who);
  }
  return grant(status);
};

const createdCall = ({ location }: HeaderMap): ReturnType<typeof parseCallKey> =>
  typeof location === 'string' ? parseCallKey(/\/calls\/([^/?#]+)$/.exec(location)?.[1] ?? '') : undefined;
