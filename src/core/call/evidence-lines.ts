import type { HoldAct } from './hold.ts';
import type { Binding } from './state.ts';
import type { CallKey } from './key.ts';
import { recordVersion, type EvidenceRecord } from './evidence.ts';
import type { ReasonCode } from '../reasons.ts';

/**
 * What a line of the journal may hold, with the version that is written and read. Each kind has a version of its own; a
 * verifier refuses kinds and versions that it does not know, since it cannot vouch for them.
 */
export const lineKinds = {
  record: { version: recordVersion, holds: 'One event of one call; records of a call are chained.' },
  refusedWrites: {
    version: 1,
    holds:
      'Refused writes that are not in the records of a call, of one application, one instance and one period.',
  },
  hold: { version: 1, holds: 'A hold on recordings that an operator set, or its release.' },
  moved: { version: 1, holds: 'The evidence of the store was written to another directory before.' },
  repair: { version: 1, holds: 'A repair that recovery made at this place.' },
} as const satisfies Record<string, { readonly version: number; readonly holds: string }>;
export type LineKind = keyof typeof lineKinds;

/** Number of the last line that an instance had reported before it was found to be gone; 0: none. */
export interface LostCounts {
  readonly instance: string;
  readonly number: number;
}

/**
 * Writes refused by one instance, of calls that are bound to nobody or that did not fit into the records of their
 * calls.
 */
export interface RefusedWrites {
  readonly version: typeof lineKinds.refusedWrites.version;
  /** Times are of the store's raw clock, to within a round trip, RFC 3339 in UTC with milliseconds. */
  readonly at: string;
  /** The process that refused, by a name that it gave itself. */
  readonly instance: string;
  /** 1 for the first line of the instance, then without a gap. */
  readonly number: number;
  /** The instance has left in order: no line of it follows. */
  readonly last: boolean;
  /** Who asked, from a verified token; null: nobody is known, or there were too many to count each. */
  readonly by: Binding | null;
  readonly refused: Readonly<Partial<Record<ReasonCode, number>>>;
  /** When the first and the latest of them was refused; null where there is none. */
  readonly first: string | null;
  readonly latest: string | null;
  /** A sample of the calls that were named. */
  readonly calls: readonly CallKey[];
  /** Instances that are gone without a last line: what each refused after its line of that number may be missing. */
  readonly countsLost: readonly LostCounts[];
}

/** A hold that was set or released, in the same atomic step as in the store. */
export interface HoldLine extends HoldAct {
  readonly version: typeof lineKinds.hold.version;
  /** The session of the instance that was asked; `none`: it had none. */
  readonly instance: string;
}

/** A repair that recovery made to the journal at this place. */
export interface Repair {
  readonly version: typeof lineKinds.repair.version;
  /** Clock of the instance, RFC 3339 in UTC with milliseconds. */
  readonly at: string;
  /** The owner of the lease that did it. */
  readonly instance: string;
  /**
   * What a crash or a loss of power had left behind the last whole line: never a line that was acknowledged. null:
   * nothing was cut, but the acknowledged line that this one continues was not in the files.
   */
  readonly cut: { readonly bytes: number; readonly sha256: string } | null;
}

/**
 * From this line on, the directory continues the evidence of a store whose earlier evidence is in another directory.
 */
export interface Moved {
  readonly version: typeof lineKinds.moved.version;
  /** Clock of the instance, RFC 3339 in UTC with milliseconds. */
  readonly at: string;
  /** The owner of the lease that did it. */
  readonly instance: string;
  /** The id of the directory before (its file `sink-id`). */
  readonly from: string;
}

/** Contents of the entries in the outbox of the store. */
export type OutboxContent =
  | { readonly record: EvidenceRecord; readonly refusedWrites?: undefined; readonly hold?: undefined }
  | { readonly record?: undefined; readonly refusedWrites: RefusedWrites; readonly hold?: undefined }
  | { readonly record?: undefined; readonly refusedWrites?: undefined; readonly hold: HoldLine };

/** Content of a journal line, without its place in the chain. */
export type LineContent = OutboxContent | { readonly moved: Moved } | { readonly repair: Repair };
