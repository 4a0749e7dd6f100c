import { describeOperation, describeParticipant } from './describe.ts';
import type { CallEvent, EndResult, FakeCall, Invitation, Participant } from './state.ts';

/** One notification of a batch, as it is on the wire. */
export type Notice = Readonly<Record<string, unknown>>;

export const asBatch = (value: readonly unknown[]): object => ({
  '@odata.type': '#microsoft.graph.commsNotifications',
  value,
});

/**
 * The notifications of one event, each a POST of its own. Every one spells an id as the invitation and the answers did:
 * Microsoft's stateful SDK finds the call by `resourceUrl`, letter for letter, and drops what it does not find.
 */
export function noticesOf(call: FakeCall, event: CallEvent): readonly Notice[] {
  switch (event.kind) {
    case 'invited':
      return [notice('created', `calls/${call.id}`, incoming(call))];
    case 'state':
      return [aboutCall('updated', call, { state: event.state })];
    case 'roster':
      return [roster(call, event.changed, event.removed)];
    case 'operationEnded': {
      const path = `calls/${call.id}/operations/${event.operation.id}`;
      return [notice('deleted', path, describeOperation(event.operation))];
    }
    case 'ended':
      return [
        aboutCall('updated', call, { state: 'terminating' }),
        aboutCall('deleted', call, { state: 'terminated', resultInfo: resultInfo(event.result) }),
      ];
  }
}

/** In a few words, for people: `created incoming`, `updated participants`, `deleted operation completed`. */
export function summarise(value: readonly unknown[]): string {
  return value.map((item) => describeNotice(item as Notice | null)).join(', ');
}

function describeNotice(item: Notice | null): string {
  const { changeType, resourceUrl, resourceData } = item ?? {};
  const data = resourceData as { readonly state?: unknown; readonly status?: unknown } | undefined;
  const [, below] = /\/calls\/[^/]+\/(participants|operation)/.exec(textOf(resourceUrl)) ?? [];
  return [textOf(changeType), below, textOf(data?.state), textOf(data?.status)].filter(Boolean).join(' ');
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

const notice = (changeType: string, path: string, resourceData: unknown): Notice => ({
  '@odata.type': '#microsoft.graph.commsNotification',
  changeType,
  resource: `/app/${path}`,
  resourceUrl: `/communications/${path}`,
  resourceData,
});

const aboutCall = (changeType: string, call: FakeCall, what: object): Notice =>
  notice(changeType, `calls/${call.id}`, {
    '@odata.type': '#microsoft.graph.call',
    '@odata.id': `/communications/calls/${call.id}`,
    ...what,
    tenantId: call.tenant,
    callChainId: call.callChainId,
    id: call.id,
  });

const resultInfo = ({ code, subcode, message }: EndResult): object => ({
  '@odata.type': '#microsoft.graph.resultInfo',
  code,
  subcode,
  message: message ?? 'Call ended by the sandbox.',
});

function roster(call: FakeCall, changed: readonly Participant[], removed: readonly Participant[]): Notice {
  const path = `calls/${call.id}/participants`;
  call.rosterSequence += 1;
  if (!call.deltaRoster) {
    const everybody = [...call.participants.values()].map((one) => describeParticipant(call, one));
    return notice('updated', path, everybody);
  }
  const delta = (one: Participant, more: object = {}): object => ({
    ...describeParticipant(call, one),
    rosterSequenceNumber: call.rosterSequence,
    ...more,
  });
  const left = { removedState: { '@odata.type': '#microsoft.graph.removedState', reason: 'Removed' } };
  return notice('updated', path, {
    '@odata.type': '#microsoft.graph.deltaParticipants',
    sequenceNumber: call.rosterSequence,
    participants: [...changed.map((one) => delta(one)), ...removed.map((one) => delta(one, left))],
  });
}

const identity = (kind: 'user' | 'applicationInstance', id: string, tenantId: string): object => ({
  '@odata.type': '#microsoft.graph.identitySet',
  [kind]: { '@odata.type': '#microsoft.graph.identity', id, tenantId },
});

function incoming(call: FakeCall): object {
  const { invitation, tenant } = call;
  const [observed] = call.participants.values();
  const source = observed?.user ?? '';
  return {
    '@odata.type': '#microsoft.graph.call',
    '@odata.id': `/communications/calls/${call.id}`,
    state: 'incoming',
    direction: 'incoming',
    source: {
      '@odata.type': '#microsoft.graph.participantInfo',
      identity: identity('user', source, tenant),
      endpointType: 'default',
      region: 'amer',
      languageId: 'en-US',
    },
    targets: [
      {
        '@odata.type': '#microsoft.graph.invitationParticipantInfo',
        identity: call.policyBased
          ? identity('applicationInstance', invitation?.applicationInstance ?? '', tenant)
          : { application: { id: call.app, displayName: 'Recording bot' } },
        endpointType: 'default',
      },
    ],
    requestedModalities: ['audio'],
    tenantId: tenant,
    callChainId: call.callChainId,
    ...(invitation === null ? {} : invited(call, invitation, observed?.id ?? null)),
    id: call.id,
  };
}

function invited(call: FakeCall, invitation: Invitation, observed: string | null): object {
  const { tenant } = call;
  const who = (id: string | null): object | null => (id === null ? null : identity('user', id, tenant));
  return {
    chatInfo: { '@odata.type': '#microsoft.graph.chatInfo', threadId: invitation.threadId, messageId: '0' },
    meetingInfo: { '@odata.type': '#microsoft.graph.tokenMeetingInfo', token: joinToken },
    incomingContext: {
      '@odata.type': '#microsoft.graph.incomingContext',
      ...(call.policyBased ? { observedParticipantId: observed, sourceParticipantId: observed } : {}),
      onBehalfOf: who(invitation.onBehalfOf),
      transferor: who(invitation.transferor),
    },
    ...(call.policyBased ? { applicationMetadata: { botData: botData(call, invitation) } } : {}),
  };
}

const botData = (call: FakeCall, invitation: Invitation): object => ({
  callId: call.callChainId,
  mediaHostedRegion: 'USEA',
  user: {
    participationMethod: 'callee',
    policyHolderId: `8:orgid:${invitation.policyHolder}`,
    policyHolderTenantId: call.tenant,
    clientLocation: 'US',
  },
  otherSideUser: {
    id: invitation.otherSideUser,
    tenantId: call.tenant,
    participationMethod: 'caller',
    clientLocation: 'US',
  },
  inviteReasons: ['PolicyBasedRecording'],
  policyIdentifier: invitation.policyIdentifier,
  pairedRecorders: invitation.pairedRecorders.map((id) => ({ id })),
  otherRecorders: invitation.otherRecorders.map((id) => ({ id })),
  isMultiParty: invitation.isMultiParty,
});

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** In the shape of a token, since real ones must not be logged either; nobody signed it. */
const joinToken = [
  encoded({ alg: 'RS256', typ: 'JWT' }),
  encoded({ iss: 'https://api.botframework.com', aud: 'https://api.botframework.com', sandbox: true }),
  'sandbox-join-token',
].join('.');
