import type { FakeCall, Operation, Participant } from './state.ts';

/** For calls whose bot has named no place for notifications, not even in its registration. */
const nowhere = 'https://bot.example/callbacks';

/** `webhook`: where the bot's registration sends notifications. */
export function describeCall(call: FakeCall, webhook: string | undefined): object {
  const [observed] = call.participants.values();
  return {
    '@odata.type': '#microsoft.graph.call',
    id: call.id,
    state: call.state,
    direction: call.direction,
    callbackUri: call.callbackUri ?? webhook ?? nowhere,
    callChainId: call.callChainId,
    tenantId: call.tenant,
    subject: null,
    source:
      observed === undefined ? null : { identity: userIdentity(observed), region: null, languageId: null },
    targets: [
      {
        '@odata.type': '#microsoft.graph.invitationParticipantInfo',
        identity: { application: { id: call.app, displayName: 'Recording bot' } },
      },
    ],
    requestedModalities: ['audio'],
    mediaConfig: { '@odata.type': '#microsoft.graph.appHostedMediaConfig', blob: '<media session>' },
    mediaState: call.state === 'established' ? { audio: 'active' } : null,
    // How Microsoft's sample bot recognises a recording call.
    incomingContext: call.policyBased ? { observedParticipantId: observed?.id ?? null } : null,
    resultInfo: null,
  };
}

export function describeParticipant(call: FakeCall, participant: Participant): object {
  return {
    '@odata.type': '#microsoft.graph.participant',
    id: participant.id,
    info: { identity: userIdentity(participant), region: null, languageId: null },
    isInLobby: false,
    isMuted: participant.muted,
    mediaStreams: [{ sourceId: '1', direction: 'sendReceive', mediaType: 'audio', serverMuted: false }],
    metadata: null,
    recordingInfo: { recordingStatus: call.recording, initiator: { application: { id: call.app } } },
  };
}

export function describeOperation(operation: Operation): object {
  return {
    '@odata.type': `#microsoft.graph.${operation.type}`,
    id: operation.id,
    clientContext: operation.clientContext,
    status: operation.status,
    resultInfo: operation.resultInfo,
    ...(operation.status?.toLowerCase() === 'completed' ? operation.result : {}),
  };
}

const userIdentity = ({ user, displayName }: Participant): object => ({ user: { id: user, displayName } });
