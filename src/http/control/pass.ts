import type { Readable } from 'node:stream';
import { parseCallKey } from '../../core/call/key.ts';
import { grant, type Refusal, refuse } from '../../core/decision.ts';
import { actionName } from '../../core/graph/identify-action.ts';
import { type Forwarded, hasBody, type HeaderMap } from '../../core/http/exchange.ts';
import type { WriteGuard } from '../../core/http/write-guard.ts';
import type { GraphRequest } from '../ports.ts';
import { readCallbackBody, reportCallback } from './callback-uri.ts';
import { type ControlRequest, type Handler, replacementCredential, notFoundForStranger } from './context.ts';
import { recordAcceptance } from './graph-proof.ts';

/** Graph's 401 to the proxy's own token, of which nothing was passed on. */
const tokenRefused = refuse('GraphCredentialUnavailable');

/**
 * Streams the request to Graph and the answer back. Where Graph refuses the proxy's own token, the request is repeated
 * with another one; a body that is streamed is gone by then, so that its 401 is passed on, and only the next request has
 * another token.
 */
export async function streamToGraph(
  request: ControlRequest,
  { guard, body: given }: { readonly guard?: WriteGuard; readonly body?: Buffer | Readable } = {},
): Promise<Forwarded> {
  const { deps, req, res, action, caller } = request;
  const body = given ?? (hasBody(req.headers) ? req : null);
  const authorization = await caller.authorization();
  if (!authorization.ok) return { kind: 'failed', refusal: authorization };
  const send = async (
    credential: string,
    judge: (status: number) => Refusal | undefined,
  ): Promise<Forwarded> => {
    const began = deps.now();
    const forwarded = await deps.graph.forward(
      {
        method: req.method as GraphRequest['method'],
        path: action.path,
        headers: req.headers,
        authorization: credential,
        body,
        judge: (status) => judge(status) ?? notFoundForStranger(request, status),
        ...(guard === undefined ? {} : { guard }),
      },
      res,
    );
    const status = forwarded.kind === 'answered' ? forwarded.status : undefined;
    const counted = status ?? (isTokenRefused(forwarded) ? 401 : undefined);
    if (counted === 401) request.proofs.refused(caller);
    if (counted !== undefined)
      deps.meter.graphAnswer(actionName(action.row), counted, (deps.now() - began) / 1000);
    return forwarded;
  };
  let other: Promise<string | undefined> | undefined;
  const forwarded = await send(authorization.value, (status) => {
    if (status !== 401) return undefined;
    other = replacementCredential(request, authorization.value);
    const isGone = body !== null && !Buffer.isBuffer(body);
    return other === undefined || isGone ? undefined : tokenRefused;
  });
  if (!isTokenRefused(forwarded)) return forwarded;
  // Without another token, the first one brings Graph's own answer once more.
  return send((await other) ?? authorization.value, () => undefined);
}

const isTokenRefused = (forwarded: Forwarded): boolean =>
  forwarded.kind === 'failed' && forwarded.refusal === tokenRefused;

/** Forwards signalling, even while the store is down; what Graph accepts binds the call. */
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
  if (taken && callback !== undefined) reportCallback(request, call, callback.value);
  if (call !== undefined) {
    if (taken) await recordAcceptance({ ...request, call });
    const { who } = request.caller;
    // Nobody in particular cannot end a call.
    if (status === 404 && action.row.effect === 'keepAlive' && who !== null)
      await deps.gate.callEnded(call, who, 'keepAliveNotFound', request.facts);
  }
  return grant(status);
};

const createdCall = ({ location }: HeaderMap): ReturnType<typeof parseCallKey> =>
  typeof location === 'string' ? parseCallKey(/\/calls\/([^/?#]+)$/.exec(location)?.[1] ?? '') : undefined;
