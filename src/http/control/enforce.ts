import { type Decision, type Refusal, refuse } from '../../core/decision.ts';
import type { Effect } from '../../core/graph/action-table.ts';
import { readJson } from '../body.ts';
import { unknownCallRefusal } from '../admit-write.ts';
import type { CallRequest, ControlRequest, Handler } from './context.ts';
import { refuseStranger, prove } from './graph-proof.ts';
import { hangUp } from './hang-up.ts';
import { patchOperation, updateMetadata } from './judged-bodies.ts';
import { pass } from './pass.ts';
import { persistMedia } from './persist-media.ts';
import { readOperation } from './read-operation.ts';
import { recordingStatus } from './recording-status.ts';
import { UnprovenRequest } from './unproven-stop.ts';

/** What is done for each effect of the action table. */
const handlers: Readonly<
  Record<Exclude<Effect, 'refuse' | 'pass' | 'create' | 'answer' | 'keepAlive'>, Handler>
> = {
  recordingStatus,
  hangUp,
  persistMedia,
  readOperation,
  updateMetadata,
  patchOperation,
};

export async function enforce(request: ControlRequest): Promise<Decision<number>> {
  const { action, deps, caller } = request;
  const { call } = action;
  const { effect } = action.row;
  if (effect === 'refuse') return refuse('ActionRefused');
  // In `graph` mode Graph itself judges the token of everything that only passes.
  if (call !== undefined && caller.verified) {
    // A stop is never one too many.
    const tooMany =
      effect === 'recordingStatus' || effect === 'hangUp'
        ? undefined
        : unknownCallRefusal(deps, call, caller.who);
    if (tooMany !== undefined) return tooMany;
    const binding = await deps.gate.bindingOf(call);
    const stranger = refuseStranger(binding, caller.who);
    if ((binding === null || stranger !== undefined) && caller.who !== null)
      deps.limits.unknownCallFound(caller.who);
    if (stranger !== undefined) return stranger;
    if (binding === null) return (await powerless(caller)) ?? act({ ...request, isUnowned: true }, effect);
  }
  return act(request, effect);
}

async function act(request: ControlRequest, effect: Exclude<Effect, 'refuse'>): Promise<Decision<number>> {
  const { call } = request.action;
  if (effect === 'pass' || effect === 'create' || effect === 'answer' || effect === 'keepAlive')
    return pass(request);
  if (call === undefined) return refuse('CallIdInvalid');
  let body: ReturnType<CallRequest['json']> | undefined;
  const about: CallRequest = {
    ...request,
    call,
    json: () => (body ??= readJson(request.req, request.deps.limits.json)),
    holdClosed: () => unproven.hold(),
  };
  const unproven = new UnprovenRequest(about, effect);
  try {
    const proof = await prove(about);
    if (proof.kind === 'proven') return await handlers[effect]({ ...about, isProvenAnew: proof.isNew });
    if (proof.kind === 'refused') return proof.answer;
    await unproven.keep();
    return proof.answer();
  } finally {
    unproven.release();
  }
}

/** For whom nothing can be done at Graph, nothing is begun: not even for a call that nobody is bound to yet. */
async function powerless({ authorization }: ControlRequest['caller']): Promise<Refusal | undefined> {
  const credential = await authorization();
  return !credential.ok && credential.reason === 'GraphCredentialMissing' ? credential : undefined;
}
