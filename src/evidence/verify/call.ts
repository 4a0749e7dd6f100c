import type { GraphCallState } from '../../core/call/graph-state.ts';
import { readId, readLabel, readText, readWord } from '../../core/notices/values.ts';

/** One confirmed recording. */
export interface RecordedInterval {
  /** null: its beginning is not among the records. */
  readonly opened: string | null;
  /** When the last writer had left; null: its end is not among the records. */
  readonly closed: string | null;
  /** What every instance let through; null: not recorded. */
  readonly writes: {
    readonly admitted: number;
    readonly aborted: number;
    readonly unanswered: number;
    readonly bytes: number;
    /** Of those that handlers were asked to discard: how many they agreed to, and how many not in time. Absent: none. */
    readonly discarded?: number;
    readonly notDiscarded?: number;
  } | null;
}

/** What a reader of the evidence should notice about a call. */
export const callFlags = {
  beginningMissing: 'The beginning of the history of the call is not in the files.',
  begunAnew: 'The history of the call restarted: the store had lost or expired it.',
  unbound: 'Graph never accepted a token for the call; tenant and application are unverified claims.',
  nothingTold: 'No notification described the call, so it cannot be linked to other calls.',
  callbackBypassed: 'The callback URI of the bot bypassed the proxy, so the proxy received no notifications.',
  neverConfirmed: 'Graph never confirmed a recording of the call.',
  notPolicyCall:
    'Graph refused with error 8506: no recording policy created the call, so it cannot be recorded.',
  tenantMismatch:
    'Graph refused with error 7505: the token belonged to a different tenant than the call, so the call could not be recorded with it.',
  stillOpen: 'A confirmed recording has no recorded end.',
  stopUnconfirmed: 'Graph has not confirmed the last stop.',
  notEnforced:
    'The laws were not enforced: the store only observed, so media without a confirmed recording may have been stored.',
  notEnded: 'The end of the call is not recorded.',
} as const;
export type CallFlag = keyof typeof callFlags;

const nobody = '00000000-0000-0000-0000-000000000000';

/** An id that names something. */
const readKnownId = (value: unknown): string | null => {
  const id = readId(value);
  return id === nobody ? null : id;
};

/** What Graph reported of a call, by name. Read again, as the chain of hashes vouches for the bytes and not for their sense. */
export const factReaders = {
  direction: readWord,
  callChainId: readKnownId,
  threadId: readLabel,
  policyIdentifier: readText,
  policyHolder: readKnownId,
  source: readKnownId,
  otherSideUser: readKnownId,
  onBehalfOf: readKnownId,
  transferor: readKnownId,
  applicationInstance: readKnownId,
} as const satisfies Record<string, (value: unknown) => string | null>;
export type Fact = keyof typeof factReaders;
export const factNames = Object.keys(factReaders) as Fact[];

export const listReaders = {
  inviteReasons: readLabel,
  pairedRecorders: readKnownId,
  otherRecorders: readKnownId,
} as const satisfies Record<string, (value: unknown) => string | null>;
export type FactList = keyof typeof listReaders;
export const listNames = Object.keys(listReaders) as FactList[];

/** One bot's call, as its records describe it. Ids as Graph gave them, no names; times are RFC 3339 in UTC, by the store's clock. */
export interface CallSummary
  extends Readonly<Record<Fact, string | null>>, Readonly<Record<FactList, readonly string[]>> {
  /** As Graph spells it in REST URLs. */
  readonly call: string;
  readonly tenant: string | null;
  readonly app: string | null;
  readonly firstRecord: string;
  readonly lastRecord: string;
  /** The states that Graph reported, in the order of their first report. */
  readonly states: readonly GraphCallState[];
  /** The first 256. */
  readonly recorded: readonly RecordedInterval[];
  readonly moreRecorded: number;
  /** Starts that came to nothing, by Graph's error code or `unknown`. */
  readonly failedStarts: Readonly<Record<string, number>>;
  /** Refused writes, by reason. */
  readonly refusedWrites: Readonly<Record<string, number>>;
  /** Writes that would have been refused and passed, since the store observed, by reason. */
  readonly observedWrites: Readonly<Record<string, number>>;
  /** false: the verdict of the call is "not enforced", whatever else its records show. */
  readonly enforced: boolean;
  /** What the roster said against the gate. */
  readonly contradictions: readonly {
    readonly kind: string;
    readonly first: string;
    readonly count: number;
  }[];
  readonly ended: { readonly at: string; readonly cause: string | null } | null;
  /** The last reason that Graph gave for the end of the call. */
  readonly result: { readonly code: number | null; readonly subcode: number | null } | null;
  readonly flags: readonly CallFlag[];
}
