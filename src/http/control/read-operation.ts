import { grant, refuse } from '../../core/decision.ts';
import { withholdRecording } from '../../core/graph-bodies.ts';
import { parseJson } from '../body.ts';
import { accept } from '../graph-proof.ts';
import { operationNotFound } from './call-gone.ts';
import { duringWrite, ownHeaders, relay, sending, type Handler } from './context.ts';
import { streamToGraph } from './pass.ts';

/** What can fetch a recording that Graph made is withheld while the gate is closed. */
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
  const sent = await sending(request, {
    method: 'GET',
    path: action.path,
    headers: ownHeaders(request),
    body: null,
  })(() => true);
  if (sent.kind !== 'answered') return sent.refusal;
  const { answer } = sent;
  if (answer.status === 404) operationNotFound(request);
  if (answer.status >= 200 && answer.status < 300) await accept(request);
  if (answer.raw.length === 0) return relay(request, answer);
  const parsed = parseJson(answer.raw);
  if (!parsed.ok)
    return refuse('GraphAnswerTooLarge', { detail: 'it is not JSON that can be searched for a recording' });
  const { value, withheld } = withholdRecording(parsed.value);
  if (!withheld) return relay(request, answer);
  return relay(
    request,
    answer,
    { 'Tallylight-Withheld': 'recordingLocation, recordingAccessToken' },
    Buffer.from(JSON.stringify(value)),
  );
};
