import { randomUUID } from 'node:crypto';

interface EndedCall {
  readonly app: string;
  readonly callChainId: string;
  readonly createdAt: number;
  readonly participants: ReadonlyMap<string, { readonly user: string; readonly displayName: string }>;
}

const hour = 60 * 60 * 1000;
const iso = (ms: number): string => new Date(ms).toISOString();

/** A call record as Graph makes one after the end of a call; its id is the call's chain id. Times are ms. */
export function makeCallRecord(call: EndedCall, endedAt: number) {
  const span = { startDateTime: iso(call.createdAt), endDateTime: iso(endedAt) };
  const users = [...call.participants.values()].map(({ user, displayName }) => ({ id: user, displayName }));
  const caller = {
    '@odata.type': '#microsoft.graph.callRecords.participantEndpoint',
    userAgent: { headerValue: 'SkypeSpaces/1.0', applicationVersion: null },
    identity: { user: users[0] ?? null },
  };
  const callee = {
    '@odata.type': '#microsoft.graph.callRecords.serviceEndpoint',
    userAgent: {
      '@odata.type': '#microsoft.graph.callRecords.serviceUserAgent',
      headerValue: 'CommunicationsSDK',
      applicationVersion: null,
      role: 'customBot',
    },
  };
  const ends = { caller, callee, ...span, failureInfo: null };
  return {
    record: {
      id: call.callChainId,
      version: 1,
      type: 'groupCall',
      modalities: ['audio'],
      lastModifiedDateTime: iso(endedAt),
      ...span,
      joinWebUrl: null,
      organizer: { user: users[0] ?? null, application: { id: call.app } },
      participants: users.map((user) => ({ user })),
      organizer_v2: { id: users[0]?.id ?? call.app, identity: { user: users[0] ?? null } },
    },
    participants: users.map((user) => ({ id: user.id, identity: { user } })),
    session: { id: randomUUID(), ...ends, modalities: ['audio'], isTest: false },
    segment: { id: randomUUID(), ...ends, media: [] },
  };
}

export const samplePstnCall = (now: number) => ({
  id: randomUUID(),
  callId: randomUUID(),
  callType: 'user_in',
  userId: randomUUID(),
  userPrincipalName: 'adele@contoso.example',
  userDisplayName: 'Adele Vance',
  callerNumber: '+12025550100',
  calleeNumber: '+12025550101',
  startDateTime: iso(now - hour),
  endDateTime: iso(now - hour + 90_000),
  duration: 90,
  charge: 0,
  connectionCharge: 0,
  currency: 'USD',
  destinationName: 'United States',
  destinationContext: null,
  conferenceId: null,
  licenseCapability: 'MCOPSTN2',
  inventoryType: 'Subscriber',
  operator: 'Microsoft',
  callDurationSource: 'microsoft',
  tenantCountryCode: 'US',
  usageCountryCode: 'US',
});

export const sampleDirectRoutingCall = (now: number) => ({
  id: randomUUID(),
  correlationId: randomUUID(),
  callType: 'ByotIn',
  successfulCall: true,
  userId: randomUUID(),
  userPrincipalName: 'adele@contoso.example',
  userDisplayName: 'Adele Vance',
  callerNumber: '+12025550***',
  calleeNumber: '+12025550***',
  inviteDateTime: iso(now - hour - 5000),
  startDateTime: iso(now - hour),
  // What Graph writes into a successful row.
  failureDateTime: '0001-01-01T00:00:00Z',
  endDateTime: iso(now - hour + 90_000),
  duration: 90,
  finalSipCode: 0,
  finalSipCodePhrase: 'BYE',
  callEndSubReason: 540000,
  trunkFullyQualifiedDomainName: 'sbc.contoso.example',
  mediaBypassEnabled: false,
  mediaPathLocation: 'USWE',
  signalingLocation: 'EUNO',
});
