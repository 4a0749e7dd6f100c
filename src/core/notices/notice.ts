import type { GraphCallState } from '../call/graph-state.ts';
import type { CallKey } from '../call/key.ts';
import type { JsonObject } from '../json.ts';

/**
 * Facts about a call in a notification, other than its state: who was recorded, why, and what it
 * belongs to. Ids only; never a token, a name or a number.
 */
export interface CallFacts extends JsonObject {
  readonly tenant: string | null;
  readonly direction: 'incoming' | 'outgoing' | null;
  /** Shared by the calls of one conversation, until a transfer. */
  readonly callChainId: string | null;
  /** `chatInfo.threadId`: the meeting. */
  readonly threadId: string | null;
  /** The user who originated the call. */
  readonly source: string | null;
  /** Object id of the application instance that was invited. */
  readonly applicationInstance: string | null;
  readonly observedParticipantId: string | null;
  readonly sourceParticipantId: string | null;
  readonly onBehalfOf: string | null;
  /** The user who transferred the call here: the call before has another id and another chain. */
  readonly transferor: string | null;
  readonly policyIdentifier: string | null;
  readonly inviteReasons: readonly string[];
  /** The user whose policy it is, if named. */
  readonly policyHolder: string | null;
  readonly otherSideUser: string | null;
  readonly pairedRecorders: readonly string[];
  readonly otherRecorders: readonly string[];
  readonly isMultiParty: boolean | null;
}

/** `resultInfo`, with the codes as numbers however they were written. */
export interface ResultInfo extends JsonObject {
  readonly code: number | null;
  readonly subcode: number | null;
}

/** One participant's own recording status. */
export interface RosterEntry {
  /** The participant's id, lower case. */
  readonly participant: string;
  /** `rosterSequenceNumber`; null: none was given. */
  readonly sequence: number | null;
  readonly removed: boolean;
  /** What `recordingInfo.recordingStatus` says; null: there is none. */
  readonly status: 'recording' | 'other' | null;
  /** Who recorded, as far as it is named: ids of the initiator's application and application instance, lower case. */
  readonly initiator: { readonly application: string | null; readonly applicationInstance: string | null };
}

export type Notice =
  | {
      readonly kind: 'call';
      readonly call: CallKey;
      readonly changeType: 'created' | 'updated' | 'deleted';
      /** null: none was given. */
      readonly state: GraphCallState | null;
      readonly facts: CallFacts;
      readonly result: ResultInfo | null;
    }
  | {
      readonly kind: 'operation';
      readonly call: CallKey;
      readonly operation: string;
      /** Whether it is a status change's, as far as its type shows. */
      readonly type: 'updateRecordingStatus' | 'other' | 'unknown';
      /** Completed or failed: there is something to read. */
      readonly final: boolean;
    }
  | {
      readonly kind: 'roster';
      readonly call: CallKey;
      /** A delta holds only what changed. */
      readonly delta: boolean;
      /** It names as many participants as Graph ever lists, so others may be missing. */
      readonly atLimit?: true;
      readonly entries: readonly RosterEntry[];
    };

/** Reasons why a notification was not processed. */
export const ignoredNotices = {
  unreadable: 'The notification cannot be parsed.',
  resourceUnknown: 'The resource is not a call, its operations or its participants.',
  contradictory: 'The notification names two different calls, operations or participants.',
  tenantMismatch: 'The notification belongs to a different tenant than its token.',
  tooLarge: 'The notification exceeds the size limit for processing; it was still forwarded to the bot.',
} as const;
export type IgnoredNotice = keyof typeof ignoredNotices;

/** The contents of one POST from Graph, in order. */
export interface NoticeBatch {
  readonly notices: readonly Notice[];
  readonly ignored: Readonly<Partial<Record<IgnoredNotice, number>>>;
}
