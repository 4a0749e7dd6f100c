import { messageOf } from '../../core/errors.ts';
import type { Poll, RawAnswer } from '../../core/graph/exchange.ts';
import { callPathOf } from '../../core/graph/identify-action.ts';
import { ownHeaders, senderFor, type CallRequest } from './context.ts';

/** Reads an operation of the call with the caller's credential. */
export function polling(request: CallRequest): Poll<RawAnswer> {
  let asked = false;
  return async (operationId) => {
    const path = `${callPathOf(request.action)}/operations/${encodeURIComponent(operationId)}`;
    const headers = ownHeaders(request);
    const sent = await senderFor(request, { method: 'GET', path, headers, body: null })(() => true);
    if (sent.kind === 'answered' && sent.answer.status === 404 && !asked) {
      asked = true;
      operationNotFound(request);
    }
    return sent;
  };
}

/**
 * Called when Graph does not know an operation of the call. This may only mean that the operation has expired, so
 * Graph is queried for the call; if Graph does not know the call either, the call is ended. No request waits for it.
 */
export function operationNotFound(request: CallRequest): void {
  const { deps, call, caller } = request;
  const { who } = caller;
  // Nobody in particular cannot end a call.
  if (who === null) return;
  const path = callPathOf(request.action);
  const ask = senderFor(request, { method: 'GET', path, headers: ownHeaders(request), body: null });
  ask(() => true)
    .then(async (sent) => {
      if (sent.kind === 'answered' && sent.answer.status === 404)
        await deps.gate.callEnded(call, who, 'operationNotFound', request.facts);
    })
    .catch((error: unknown) =>
      deps.log.error(
        { call, error: messageOf(error) },
        'it could not be checked whether a call still exists',
      ),
    );
}
