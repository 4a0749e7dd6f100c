import { parseCallKey } from '../../core/call-key.ts';
import { grant } from '../../core/decision.ts';
import { hasBody, type Forwarded, type HeaderMap, type WriteGuard } from '../../core/exchange.ts';
import { actionName } from '../../core/graph-action.ts';
import { accept } from '../graph-proof.ts';
import { readCallbackBody, tellCallback } from './callback-uri.ts';
import { notThere, type CallRequest, type ControlRequest, type Handler } from './context.ts';
import type { GraphRequest } from '../ports.ts';

/** Streams the request to Graph and the answer back. */
export async function streamToGraph(
  request: ControlRequest,
  { guard, body }: { readonly guard?: WriteGuard; readonly body?: Buffer } = {},
): Promise<Forwarded> {
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
      body: body ?? (hasBody(req.headers) ? req : null),
      judge: (status) => notThere(request, status),
      ...(guard === undefined ? {} : { guard }),
    },
    res,
  );
  if (forwarded.kind === 'answered') {
    if (forwarded.status === 401) request.proofs.refused(caller);
    deps.meter.graphAnswer(actionName(action.row), forwarded.status, (deps.now() - began) / 1000);
  }
  return forwarded;
}

/** Signalling passes, also with the store down; what Graph accepts binds the call. */
export const pass: Handler<ControlRequest> = async (request) => {
  const { action, deps } = request;
  const judgesCallback = deps.callbacks !== undefined && action.row.callbackUri === true;
  const callback = judgesCallback ? await readCallbackBody(request) : undefined;
  if (callback?.ok === false) return callback;
  const forwarded = await streamToGraph(request, callback === undefined ? {} : { body: callback.value.body });
  if (forwarded.kind === 'failed') return forwarded.refusal;
  const { status } = forwarded;
  const taken = status >= 200 && status < 300;
  const call = action.row.effect === 'create' ? createdCall(forwarded.headers) : action.call;
  if (taken && callback !== undefined) tellCallback(request, call, callback.value);
  if (call !== undefined) {
    const about: CallRequest = { ...request, call };
    if (taken) await accept(about);
    const { who } = request.caller;
    // Nobody in particular cannot end a call.
    if (status === 404 && action.row.effect === 'keepAlive' && who !== null)
      await deps.gate.callEnded(call, who, 'keepAliveNotFound');
  }
  return grant(status);
};

const createdCall = ({ location }: HeaderMap): ReturnType<typeof parseCallKey> =>
  typeof location === 'string' ? parseCallKey(/\/calls\/([^/?#]+)$/.exec(location)?.[1] ?? '') : undefined;
