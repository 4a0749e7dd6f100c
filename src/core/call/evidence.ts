import { createHash } from 'node:crypto';
import canonicalizeModule from 'canonicalize';
import type { Binding, CallState, EventName, StateName } from './state.ts';
import type { CallKey } from './key.ts';
import { Fault } from '../errors.ts';
import type { JsonObject } from '../json.ts';

/** The version of the records that are written, and the only one that is read. */
export const recordVersion = 2;

/** One event of a call's history. Never a token, never media, never a metadata blob (docs/evidence/format.md). */
export interface EvidenceRecord {
  readonly version: typeof recordVersion;
  readonly call: CallKey;
  /** 1 for the first record of the call, then without a gap. */
  readonly seq: number;
  /** The hash of the record before; null for the first. */
  readonly prev: string | null;
  /**
   * Evidence time, RFC 3339 in UTC with milliseconds: the store's raw clock, or the time of the record before where that
   * is later. Order is `seq`.
   */
  readonly at: string;
  /** By how much the store's raw clock was behind the record before, ms; null: it was not. */
  readonly step: number | null;
  readonly event: EventName;
  readonly from: StateName;
  readonly to: StateName;
  readonly epoch: number;
  /** The session of the instance that wrote it. */
  readonly instance: string;
  /** Digest of the policy in force for this caller, `sha256:<hex>`. */
  readonly policy: string | null;
  /** Who asked; null where nobody did (a timer, a take-over). */
  readonly by: Binding | null;
  /** Whether the gate acted on what it judged; false: what the laws refuse may have passed, since the store only observes. */
  readonly enforced: boolean;
  readonly detail: JsonObject;
  /** SHA-256 over the canonical JSON (RFC 8785) of everything above, lower-case hexadecimal. */
  readonly hash: string;
}

// The package is CommonJS whose declarations describe an ES module.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined;

export type UnsealedRecord = Omit<EvidenceRecord, 'hash'>;

export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new Fault('Internal', 'not a JSON value');
  return text;
}

export const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

export const hashOf = (record: UnsealedRecord): string => sha256(canonicalJson(record));

/** The facts of an event that the caller supplies; the chain adds the rest. */
export interface EventFacts {
  readonly call: CallKey;
  /** The store's raw clock, ms since the epoch: it may have been set back. */
  readonly at: number;
  readonly event: EventName;
  readonly instance: string;
  readonly policy: string | null;
  readonly by: Binding | null;
  readonly enforced: boolean;
  readonly detail: JsonObject;
}

/** Appends to the chain of `before`; `after` is the state the event leads to. */
export function chain(
  before: CallState,
  after: Omit<CallState, 'seq' | 'head' | 'at'>,
  facts: EventFacts,
): { readonly state: CallState; readonly record: EvidenceRecord } {
  const at = Math.max(facts.at, before.at);
  const unsealed: UnsealedRecord = {
    version: recordVersion,
    call: facts.call,
    seq: before.seq + 1,
    prev: before.head,
    at: new Date(at).toISOString(),
    step: at > facts.at ? at - facts.at : null,
    event: facts.event,
    from: before.state,
    to: after.state,
    epoch: after.epoch,
    instance: facts.instance,
    policy: facts.policy,
    // A caller may know more of who asked than evidence holds.
    by: facts.by === null ? null : { tenant: facts.by.tenant, app: facts.by.app },
    enforced: facts.enforced,
    detail: withoutUndefined(facts.detail),
  };
  const record = { ...unsealed, hash: hashOf(unsealed) };
  return { state: { ...after, at, seq: record.seq, head: record.hash }, record };
}

/** JSON has no undefined; what is hashed must be what is read back. */
const withoutUndefined = (detail: JsonObject): JsonObject => JSON.parse(JSON.stringify(detail)) as JsonObject;
