import { grant, refuse } from '../../core/decision.ts';
import { withholdRecording } from '../../core/graph/bodies.ts';
import { recordAcceptance } from './graph-proof.ts';
import { operationNotFound } from './call-gone.ts';
import { duringWrite, ownHeaders, relay, senderFor, type Handler } from './context.ts';
import { streamToGraph } from './pass.ts';

/** What is written here instead is not compressed, and has no digest of Graph's. */
const asPlainJson = {
  'content-type': 'application/json; charset=utf-8',
  'content-encoding': undefined,
  'content-md5': undefined,
  'content-digest': undefined,
  etag: undefined,
};

/** Removes location and access token of a recording made by Graph from the response while the gate is closed. */
export const readOperation: Handler = async (request) => {
  const { deps, call, caller, action } = request;
  const admitted = await deps.gate.admitSoon(call, caller.who);
  if (admitted.ok) {
    const write = admitted.value;
    return duringWrite(write, async () => {
      const forwarded = await streamToGraph(request, { guard: write });
      if (forwarded.kind === 'failed') return forwarded.refusal;
      if (forwarded.status === 404) operationNotFound(request);
      return grant(forwarded.status);
    });
  }
  const sent = await senderFor(request, {
    method: 'GET',
    path: action.path,
    headers: ownHeaders(request),
    body: null,
  })(() => true);
  if (sent.kind !== 'answered') return sent.refusal;
  const { answer } = sent;
  if (answer.status === 404) operationNotFound(request);
  if (answer.status >= 200 && answer.status < 300) await recordAcceptance(request);
  // What cannot be read cannot be searched; an error holds no recording, and a bot must know it as it came.
  if (answer.body === undefined && answer.raw.length > 0 && answer.status < 400)
    return refuse('GraphAnswerUnreadable');
  const { value, withheld } = withholdRecording(answer.body);
  if (!withheld) return relay(request, answer);
  return relay(
    request,
    { ...answer, headers: { ...answer.headers, ...asPlainJson } },
    { 'Tallylight-Withheld': 'recordingLocation, recordingAccessToken' },
    Buffer.from(JSON.stringify(value)),
  );
};
