import { randomUUID } from 'node:crypto';
import { isRecord } from '../../core/json.ts';
import { describeCall, describeOperation, describeParticipant } from './describe.ts';
import {
  answer,
  badRequest,
  collection,
  graphError,
  notFound,
  entity,
  route,
  type Answer,
  type GraphRequest,
  type Outcome,
  type Route,
} from './route.ts';
import { endedByBot, findOperation, type FakeCall, type Operation, type RecordingState } from './state.ts';

type CallRequest = GraphRequest & { readonly call: FakeCall };
type Handler = (request: CallRequest) => Outcome;

/** The code is documented by those who met it; which status goes with it is not. */
export const notPolicyCall = graphError(
  403,
  '8506',
  'API call not allowed for non-Compliance Recording call.',
);

export const operationAnswer = (operation: Operation): Answer => ({
  status: 200,
  headers: { location: operation.location },
  body: describeOperation(operation),
});

const callPath = 'communications/calls/{call}';

/** A route below a call: an application sees its own calls only. */
const onCall = (
  action: string,
  method: string,
  path: string,
  handle: Handler,
  roles?: readonly string[],
): Route =>
  route(
    action,
    method,
    `${callPath}${path}`,
    (request) => {
      const call = request.state.find(request.params.call ?? '');
      const { caller } = request;
      const own = caller === null || (caller.app === call?.app && caller.tenant === call.tenant);
      return call === undefined || !own ? notFound : handle({ ...request, call });
    },
    roles,
  );

function makeOperation(
  { body, base, call, state }: CallRequest,
  type: string,
  effect: () => void = () => undefined,
  result: Operation['result'] = {},
): Outcome {
  const clientContext = isRecord(body) && typeof body.clientContext === 'string' ? body.clientContext : null;
  if ((clientContext?.length ?? 0) > 256) return badRequest('clientContext is longer than 256 characters.');
  const id = randomUUID();
  const location = `${base}/communications/calls/${call.id}/operations/${id}`;
  const operation: Operation = {
    id,
    location,
    type,
    status: 'completed',
    clientContext,
    resultInfo: null,
    result,
  };
  const keepOperation = (): void => void call.operations.set(id, operation);
  const tellOperation = (): void => state.operationEnded(call, operation);
  return {
    answer: operationAnswer(operation),
    effect,
    operation,
    keepOperation,
    notifyOperation: tellOperation,
  };
}

const statuses = ['unknown', 'notRecording', 'recording', 'failed'] as const;

/** Reads a status as liberally as an OData service may: an ordinal or odd casing that got here must be seen to act. */
export function readStatus(body: unknown): RecordingState | undefined {
  const given = isRecord(body) ? body.status : undefined;
  const status =
    typeof given === 'number'
      ? statuses[given]
      : statuses.find((name) => typeof given === 'string' && name.toLowerCase() === given.toLowerCase());
  return status === 'unknown' ? undefined : status;
}

function updateRecordingStatus(request: CallRequest): Outcome {
  const { call, state, body } = request;
  const status = readStatus(body);
  if (status === undefined) return badRequest('status is not a recordingStatus that can be set.');
  if (!call.policyBased) return notPolicyCall;
  return makeOperation(request, 'updateRecordingStatusOperation', () => state.setRecording(call, status));
}

function recordResponse(request: CallRequest): Outcome {
  return makeOperation(request, 'recordOperation', undefined, {
    recordingLocation: `https://recordings.example/${randomUUID()}`,
    recordingAccessToken: `recording-${randomUUID()}`,
  });
}

function createCall({ state, caller, body, base }: GraphRequest): Outcome {
  const callbackUri = isRecord(body) ? body.callbackUri : undefined;
  if (typeof callbackUri !== 'string') return badRequest('callbackUri is missing.');
  if (caller === null) return badRequest('The token names no application.');
  const call = state.makeCall({
    tenant: caller.tenant,
    app: caller.app,
    policyBased: false,
    direction: 'outgoing',
    state: 'established',
    callbackUri,
  });
  call.deltaRoster = wantsDelta(body);
  const location = `${base}/communications/calls/${call.id}`;
  return {
    answer: { status: 201, headers: { location }, body: describeCall(call, state.webhook) },
    effect: () => state.addCall(call),
  };
}

function answerCall({ call, state, body }: CallRequest): Outcome {
  const callbackUri = (isRecord(body) ? body.callbackUri : undefined) ?? null;
  if (typeof callbackUri !== 'string' && callbackUri !== null)
    return badRequest('callbackUri is not a string.');
  const effect = (): void => state.answerCall(call, callbackUri, wantsDelta(body));
  return { answer: { status: 202 }, effect };
}

const wantsDelta = (body: unknown): boolean =>
  isRecord(body) && isRecord(body.callOptions) && body.callOptions.isDeltaRosterEnabled === true;

const ends =
  (status: number) =>
  ({ call, state }: CallRequest): Outcome => ({
    answer: { status },
    effect: () => state.endCall(call, endedByBot),
  });

function onParticipant(request: CallRequest, act: (id: string) => Outcome): Outcome {
  const id = request.params.participant ?? '';
  return request.call.participants.has(id) ? act(id) : notFound;
}

function invite(request: CallRequest): Outcome {
  const given = isRecord(request.body) ? request.body.participants : undefined;
  if (!Array.isArray(given)) return badRequest('participants is missing.');
  return makeOperation(request, 'inviteParticipantsOperation', () => {
    const people = given.map(() => ({ user: randomUUID(), displayName: 'Invited user' }));
    request.state.addParticipants(request.call, people);
  });
}

function muteParticipant(request: CallRequest): Outcome {
  return onParticipant(request, (id) =>
    makeOperation(request, 'muteParticipantOperation', () => {
      const participant = request.call.participants.get(id);
      if (participant !== undefined) participant.muted = true;
    }),
  );
}

function patchOperation({ call, params, body }: CallRequest): Outcome {
  const operation = findOperation(call, params.operation ?? '');
  if (operation === undefined) return notFound;
  const context = isRecord(body) ? body.clientContext : undefined;
  // Everything else on an operation is read-only.
  const clientContext = typeof context === 'string' ? context : operation.clientContext;
  if ((clientContext?.length ?? 0) > 256) return badRequest('clientContext is longer than 256 characters.');
  return {
    answer: { status: 200, body: describeOperation({ ...operation, clientContext }) },
    effect: () => {
      operation.clientContext = clientContext;
    },
  };
}

const accepted = (action: string): Route => onCall(action, 'POST', `/${action}`, () => answer(202));
const operates = (action: string, type = `${action}Operation`): Route =>
  onCall(action, 'POST', `/${action}`, (request) => makeOperation(request, type));
const mediaRoles = ['Calls.AccessMedia.All', 'Calls.JoinGroupCall.All'];

export const callRoutes: readonly Route[] = [
  route('createCall', 'POST', 'communications/calls', createCall),
  onCall('getCall', 'GET', '', ({ call, state }) => answer(200, describeCall(call, state.webhook))),
  onCall('hangUp', 'DELETE', '', ends(204)),
  onCall('updateRecordingStatus', 'POST', '/updateRecordingStatus', updateRecordingStatus, mediaRoles),
  onCall('recordResponse', 'POST', '/recordResponse', recordResponse),
  onCall('record', 'POST', '/record', recordResponse),
  onCall('updateMetadata', 'POST', '/updateMetadata', (request) =>
    request.metadataAnswer === 202 ? answer(202) : makeOperation(request, 'updateMetadataOperation'),
  ),
  onCall('keepAlive', 'POST', '/keepAlive', () => answer(200)),
  onCall('answer', 'POST', '/answer', answerCall),
  onCall('reject', 'POST', '/reject', ends(202)),
  onCall('redirect', 'POST', '/redirect', ends(202)),
  accepted('transfer'),
  accepted('changeScreenSharingRole'),
  operates('playPrompt'),
  operates('subscribeToTone'),
  operates('cancelMediaProcessing'),
  operates('mute', 'muteParticipantOperation'),
  operates('unmute', 'unmuteParticipantOperation'),
  operates('sendDtmfTones'),
  operates('addLargeGalleryView'),

  onCall('listOperations', 'GET', '/operations', ({ call }) =>
    collection([...call.operations.values()].map(describeOperation)),
  ),
  onCall('countOperations', 'GET', '/operations/$count', ({ call }) =>
    answer(200, String(call.operations.size)),
  ),
  onCall('getOperation', 'GET', '/operations/{operation}', ({ call, params }) => {
    const operation = findOperation(call, params.operation ?? '');
    return entity(operation && describeOperation(operation));
  }),
  onCall('patchOperation', 'PATCH', '/operations/{operation}', patchOperation),

  onCall('listParticipants', 'GET', '/participants', ({ call }) =>
    collection([...call.participants.values()].map((participant) => describeParticipant(call, participant))),
  ),
  onCall('invite', 'POST', '/participants/invite', invite),
  onCall('getParticipant', 'GET', '/participants/{participant}', ({ call, params }) => {
    const participant = call.participants.get(params.participant ?? '');
    return entity(participant && describeParticipant(call, participant));
  }),
  onCall('removeParticipant', 'DELETE', '/participants/{participant}', (request) =>
    onParticipant(request, (id) => ({
      answer: { status: 204 },
      effect: () => void request.state.removeParticipant(request.call, id),
    })),
  ),
  onCall('muteParticipant', 'POST', '/participants/{participant}/mute', muteParticipant),
];
