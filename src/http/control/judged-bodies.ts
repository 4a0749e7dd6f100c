import type { Decision } from '../../core/decision.ts';
import { refuse } from '../../core/decision.ts';
import { sha256 } from '../../core/call/evidence.ts';
import { judgeMetadataBody, judgeOperationBody } from '../../core/graph/bodies.ts';
import type { Write } from '../../gate/write.ts';
import type { JsonBody } from '../body.ts';
import { recordAcceptance } from './graph-proof.ts';
import {
  correlationFacts,
  duringWrite,
  relay,
  senderFor,
  type CallRequest,
  type Handler,
} from './context.ts';

/**
 * updateMetadata: validated, and forwarded if the policy allows it. The evidence contains a digest, never the
 * metadata.
 */
export const updateMetadata: Handler = async (request) => {
  const { deps, call, caller, policy } = request;
  if (policy.updateMetadata === 'refuse') return refusedBy(policy.name, 'updateMetadata');
  const body = await request.json();
  if (!body.ok) return body;
  const judged = judgeMetadataBody(body.value.value);
  if (!judged.ok) return judged;
  const { metadata } = judged.value;
  const detail = {
    sha256: sha256(metadata),
    bytes: Buffer.byteLength(metadata),
    ...correlationFacts(request),
  };
  const update = async (write?: Write): Promise<Decision<number>> => {
    const noted = await deps.gate.note('metadataUpdated', call, caller.who, detail);
    return noted.ok ? passOn(request, body.value, 'POST', write) : noted;
  };
  if (policy.updateMetadata === 'forward') return update();
  const admitted = await deps.gate.admit(call, caller.who);
  if (!admitted.ok) return admitted;
  const write = admitted.value;
  return duringWrite(write, () => update(write));
};

/** PATCH of an operation: no response to it opens a gate. */
export const patchOperation: Handler = async (request) => {
  const { deps, call, caller, policy, action } = request;
  if (policy.operationPatch === 'refuse') return refusedBy(policy.name, 'PATCH of an operation');
  const body = await request.json();
  if (!body.ok) return body;
  const judged = judgeOperationBody(body.value.value);
  if (!judged.ok) return judged;
  const detail = {
    operation: action.operationId ?? null,
    status: judged.value.status,
    ...correlationFacts(request),
  };
  const noted = await deps.gate.note('operationPatched', call, caller.who, detail);
  return noted.ok ? passOn(request, body.value, 'PATCH') : noted;
};

const refusedBy = (policy: string, what: string): Decision<never> =>
  refuse('PolicyRefused', { detail: `${what} is refused by the policy "${policy}"` });

async function passOn(
  request: CallRequest,
  body: JsonBody,
  method: 'POST' | 'PATCH',
  write?: Write,
): Promise<Decision<number>> {
  const { action, req } = request;
  const outgoing = { method, path: action.path, headers: req.headers, body: body.raw };
  const sent = await senderFor(request, outgoing, write)(() => true);
  if (sent.kind !== 'answered') return sent.refusal;
  if (sent.answer.status >= 200 && sent.answer.status < 300) await recordAcceptance(request);
  return relay(request, sent.answer);
}
