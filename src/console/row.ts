import type { StandingHold } from '../core/call/hold.ts';
import type { StateName } from '../core/call/state.ts';
import type { AttentionKind } from './projection/attention.ts';
import type { LastRefusal, RosterView } from './projection/call-story.ts';

/** One call, as the API shows it. Ids are hyphenated lower-case GUIDs, times RFC 3339 in UTC. */
export interface CallRow {
  readonly id: string;
  readonly state: StateName;
  /** Since when it is in this state. */
  readonly since: string;
  /** Whom the call belongs to; null: nobody has proven it. */
  readonly tenant: string | null;
  readonly app: string | null;
  /** Name of the policy, or its digest where no policy of this process has it. */
  readonly policy: string | null;
  readonly epoch: number;
  /** Of the open or the last interval: when it was opened, and what was admitted, as far as told. */
  readonly openedAt: string | null;
  readonly writes: number;
  readonly bytes: number;
  /** Over the last second; 0 also where it is not known. */
  readonly writesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly lastRefusal: LastRefusal | null;
  readonly refused: number;
  /** Writes that passed since the laws are only observed, and would have been refused. */
  readonly observed: number;
  readonly roster: RosterView;
  readonly lastHeard: string | null;
  readonly endedAt: string | null;
  /** A code of docs/reference/call-ends.md. */
  readonly endCause: string | null;
  readonly attention: readonly AttentionKind[];
  /** A sentence; null: it is being recorded, or was. */
  readonly notRecordedBecause: string | null;
  readonly held: boolean;
  readonly enforced: boolean;
}

export interface Head {
  /** Evidence that waits in the store; null: unknown. */
  readonly evidence: { readonly waiting: number | null; readonly oldestSeconds: number | null };
  /** Anchors of the evidence; none are made yet. */
  readonly anchors: readonly never[];
  readonly holds: readonly StandingHold[];
  readonly enforcing: boolean;
  readonly observeUntil: string | null;
  /** How many calls are being recorded, and how many need attention, among those that may be seen. */
  readonly onAir: number;
  readonly attention: number;
  /** Up to when the journal has been read. */
  readonly asOf: string;
}
