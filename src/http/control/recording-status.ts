import { grant, type Decision } from '../../core/decision.ts';
import type { RawAnswer, Sent } from '../../core/graph/exchange.ts';
import { judgeStatusBody } from '../../core/graph/bodies.ts';
import type { StatusOutcome } from '../../core/graph/outcome.ts';
import { textOf } from '../../core/reasons.ts';
import type { StartRequest } from '../../gate/start.ts';
import type { StopRequest } from '../../gate/stop.ts';
import type { JsonBody } from '../body.ts';
import { proveAgain } from './graph-proof.ts';
import { stopAndHangUp } from './hang-up.ts';
import { correlationFacts, ownHeaders, relay, senderFor, type CallRequest, type Handler } from './context.ts';
import { polling } from './call-gone.ts';

/** updateRecordingStatus: a start, or a stop (docs/design/protocol.md and success.md). */
export const recordingStatus: Handler = async (request) => {
  const body = await request.json();
  if (!body.ok) return body;
  const asked = judgeStatusBody(body.value.value);
  if (!asked.ok) return asked;
  const { status } = asked.value;
  return status === 'recording'
    ? startRecording(request, body.value)
    : stopRecording(request, body.value, status);
};

async function startRecording(request: CallRequest, body: JsonBody): Promise<Decision<number>> {
  const { deps, call, caller, policy } = request;
  const started = await deps.gate.start<RawAnswer>(startRequest(request, body));
  if (!started.ok) return started;
  const { sent, outcome, open } = started.value;
  const status = settle(request, sent, outcome, open);
  if (outcome.kind === 'refused' && !open && policy.onStartRefused === 'hangUp') {
    const hungUp = await stopAndHangUp(request, call, caller.who);
    if (!hungUp.ok)
      deps.log.warn(
        { call, reason: hungUp.reason },
        'Graph refused a start, but the hang-up that the policy demands failed',
      );
  }
  return status;
}

const startRequest = (request: CallRequest, body: JsonBody): StartRequest<RawAnswer> => {
  const { call, caller, action, req } = request;
  const confirmation = Buffer.from('{"status":"notRecording"}');
  return {
    call,
    by: caller.who,
    send: senderFor(request, { method: 'POST', path: action.path, headers: req.headers, body: body.raw }),
    poll: polling(request),
    sendConfirmation: senderFor(request, {
      method: 'POST',
      path: action.path,
      headers: { ...ownHeaders(request), 'content-type': 'application/json' },
      body: confirmation,
    }),
    detail: correlationFacts(request),
    ids: request.facts,
  };
};

async function stopRecording(
  request: CallRequest,
  body: JsonBody,
  cause: 'notRecording' | 'failed',
): Promise<Decision<number>> {
  const refused = await proveAgain(request);
  if (refused !== undefined) return refused;
  const stopped = await request.deps.gate.stop(stopRequest(request, body, cause));
  if (!stopped.ok) return stopped;
  const { sent, outcome } = stopped.value;
  return sent === undefined || outcome === undefined ? grant(0) : settle(request, sent, outcome, false);
}

export const stopRequest = (
  request: CallRequest,
  body: JsonBody,
  cause: 'notRecording' | 'failed',
): StopRequest<RawAnswer> => {
  const { call, caller, action, req, facts } = request;
  return {
    call,
    by: caller.who,
    cause,
    graph: {
      send: senderFor(request, { method: 'POST', path: action.path, headers: req.headers, body: body.raw }),
      poll: polling(request),
    },
    detail: correlationFacts(request),
    ids: facts,
    askedAt: facts.askedAt,
  };
};

/** Graph's answer is forwarded unchanged; a header says what it meant for the gate. */
function settle(
  request: CallRequest,
  sent: Sent<RawAnswer>,
  outcome: StatusOutcome,
  open: boolean,
): Decision<number> {
  if (sent.kind !== 'answered') return sent.refusal;
  const gate = { 'Tallylight-Gate': open ? 'open' : 'closed' };
  const reason = permanentReason(outcome);
  if (reason === undefined) return relay(request, sent.answer, gate);
  const { deps, call } = request;
  deps.log.error({ call, reason }, textOf(reason));
  deps.meter.decision('control', reason);
  return relay(request, sent.answer, { ...gate, 'Tallylight-Reason': reason });
}

/** Why no repetition will ever be answered otherwise. */
function permanentReason(outcome: StatusOutcome): 'NotPolicyCall' | 'TenantMismatch' | undefined {
  if (outcome.kind !== 'refused') return undefined;
  if (outcome.notPolicyCall) return 'NotPolicyCall';
  return outcome.tenantMismatch === true ? 'TenantMismatch' : undefined;
}
