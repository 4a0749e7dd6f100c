import { grant, refuse } from '../../core/decision.ts';
import { actionName } from '../../core/graph/identify-action.ts';
import { correlationFacts, duringWrite, type Handler } from './context.ts';
import { streamToGraph } from './pass.ts';

/**
 * recordResponse and its predecessor `record`: Graph itself persists media, so the request is treated as a media
 * write.
 */
export const persistMedia: Handler = async (request) => {
  const { deps, call, caller, policy, action } = request;
  if (policy.recordResponse === 'refuse') {
    return refuse('PolicyRefused', {
      detail: `${actionName(action.row)} is refused by the policy "${policy.name}"`,
    });
  }
  const admitted = await deps.gate.admit(call, caller.who);
  if (!admitted.ok) {
    deps.gate.refused(call, admitted.reason, caller.verified ? caller.who : null);
    return admitted;
  }
  const write = admitted.value;
  return duringWrite(write, async () => {
    const noted = await deps.gate.note('mediaRequested', call, caller.who, {
      action: actionName(action.row),
      ...correlationFacts(request),
    });
    if (!noted.ok) return noted;
    const forwarded = await streamToGraph(request, { guard: write });
    return forwarded.kind === 'answered' ? grant(forwarded.status) : forwarded.refusal;
  });
};
