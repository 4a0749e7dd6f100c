import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { FakeCall, FakeGraphState, Invitation } from './state.ts';
import { sandboxApp, sandboxTenant } from '../token-mint.ts';

const guid = z.guid().toLowerCase();

export const incomingCallSchema = z.strictObject({
  /** Default: the sandbox's. */
  tenant: guid.optional(),
  app: guid.optional(),
  /** An invitation by a recording policy; otherwise Graph refuses status updates with error 8506. */
  policyBased: z.boolean().default(true),
  /** Established already. */
  answered: z.boolean().default(false),
  /** Shared by the calls of one conversation. */
  callChainId: guid.optional(),
  /** The meeting. */
  threadId: z.string().optional(),
  /**
   * The id of another recorder's call of the same conversation: chain, meeting, users and tenant are that call's where
   * they are not given, and its application instance is a paired recorder.
   */
  pairedWith: z.string().optional(),
  /** The user under the policy, the other one, and who transferred the call here: object ids. */
  policyHolder: guid.optional(),
  otherSideUser: guid.optional(),
  transferor: guid.optional(),
  onBehalfOf: guid.optional(),
  policyIdentifier: z.string().default('Sandbox recording policy'),
  /** Object id of the application instance that is invited. */
  applicationInstance: guid.optional(),
  /** Application instances of the recorders that were invited as well. */
  pairedRecorders: z.array(guid).default([]),
  otherRecorders: z.array(guid).default([]),
  isMultiParty: z.boolean().default(false),
});

export type IncomingCall = z.input<typeof incomingCallSchema>;

/** Invites the bot. Throws `ConfigurationInvalid` if the call that it is paired with is not known. */
export function inviteBot(state: FakeGraphState, options: IncomingCall): FakeCall {
  const { tenant, app, policyBased, answered, callChainId, pairedWith, ...given } =
    incomingCallSchema.parse(options);
  const other = pairedWith === undefined ? undefined : state.recall(pairedWith);
  if (pairedWith !== undefined && other === undefined)
    throw new Fault('ConfigurationInvalid', 'pairedWith is not the id of a call');
  const call = state.makeCall({
    tenant: tenant ?? other?.tenant ?? sandboxTenant,
    app: app ?? sandboxApp,
    policyBased,
    direction: 'incoming',
    state: answered ? 'established' : 'incoming',
    callbackUri: null,
    callChainId: callChainId ?? other?.callChainId,
    invitation: invitationFor(given, other?.invitation),
  });
  state.addCall(call);
  return call;
}

type InvitationFields = Omit<
  z.output<typeof incomingCallSchema>,
  'tenant' | 'app' | 'policyBased' | 'answered' | 'callChainId' | 'pairedWith'
>;

const invitationFor = (given: InvitationFields, other: Invitation | null | undefined): Invitation => ({
  threadId: given.threadId ?? other?.threadId ?? `19:meeting_${randomUUID()}@thread.v2`,
  applicationInstance: given.applicationInstance ?? randomUUID(),
  policyIdentifier: given.policyIdentifier,
  policyHolder: given.policyHolder ?? other?.policyHolder ?? randomUUID(),
  otherSideUser: given.otherSideUser ?? other?.otherSideUser ?? randomUUID(),
  transferor: given.transferor ?? null,
  onBehalfOf: given.onBehalfOf ?? null,
  pairedRecorders: [...given.pairedRecorders, ...(other ? [other.applicationInstance] : [])],
  otherRecorders: given.otherRecorders,
  isMultiParty: given.isMultiParty,
});
