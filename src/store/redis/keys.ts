import type { CallKey } from '../../core/call-key.ts';
import { Fault } from '../../core/errors.ts';
import { sha256 } from '../../core/evidence.ts';
import type { SessionId } from '../../core/ports.ts';

/** Into so many parts the calls are divided; never change it for a store that has data. */
export const shardCount = 256;

/** The stable shard of a call. Graph's ids share digits, so their hash decides and not a part of them. */
export const shardOf = (call: CallKey): number => Number.parseInt(sha256(call).slice(0, 2), 16);

interface ShardKeys {
  /** A stream: the evidence that waits. */
  readonly outbox: string;
  /** A hash: which server wrote the shard last, since when its data is what it is, and since when rule R2 counts. */
  readonly life: string;
  /** A hash: state -> number of calls. */
  readonly census: string;
  /** A sorted set: call id -> when something was last heard of it, ms. Of calls that have not ended. */
  readonly heard: string;
}

interface CallKeys extends ShardKeys {
  /** A hash: state, epoch, binding, value, version, operation, and the life of the shard that the epoch was begun in. */
  readonly call: string;
  /** A hash: session -> epoch. */
  readonly holders: string;
  /** A hash: epoch and session -> tally. */
  readonly tallies: string;
}

interface SessionKeys {
  /** A hash that lives as long as the session: the server it was joined on. */
  readonly session: string;
  /** A hash: call -> highest revoked epoch. */
  readonly inbox: string;
}

export interface Keys {
  /** How many there are; at most `shardCount`. */
  readonly shards: number;
  shardOf(call: CallKey): number;
  shard(shard: number): ShardKeys;
  call(call: CallKey): CallKeys;
  session(session: SessionId): SessionKeys;
  /** The publish/subscribe channel that wakes a session. */
  channel(session: SessionId): string;
  /** The channel on which is told in which shard evidence waits. */
  readonly evidence: string;
  /** A hash: instance that has refused writes -> the numbers of its last report and of its last line. */
  readonly reporters: string;
  readonly lease: string;
  readonly sink: string;
}

/**
 * The only place where key names are built. The part in braces decides the slot of a cluster: all keys of a call,
 * its evidence included, share one slot, and so do all keys of a session. Fewer shards than the usual are for a store
 * that is made for the moment.
 */
export function keysWith(prefix: string, shards = shardCount): Keys {
  if (!/^[\w.:-]+$/.test(prefix))
    throw new Fault('ConfigurationInvalid', 'the key prefix may hold letters, digits and . : _ - only');
  const shard = (n: number): ShardKeys => ({
    outbox: `${prefix}:{${n}}:outbox`,
    life: `${prefix}:{${n}}:life`,
    census: `${prefix}:{${n}}:census`,
    heard: `${prefix}:{${n}}:heard`,
  });
  const shardIn = (call: CallKey): number => shardOf(call) % shards;
  return {
    shards,
    shardOf: shardIn,
    shard,
    call: (call) => {
      const n = shardIn(call);
      return {
        ...shard(n),
        call: `${prefix}:{${n}}:call:${call}`,
        holders: `${prefix}:{${n}}:holders:${call}`,
        tallies: `${prefix}:{${n}}:tallies:${call}`,
      };
    },
    session: (session) => ({
      session: `${prefix}:{${session}}:session`,
      inbox: `${prefix}:{${session}}:inbox`,
    }),
    channel: (session) => `${prefix}:wake:${session}`,
    evidence: `${prefix}:evidence`,
    // With the outbox that takes the lines.
    reporters: `${prefix}:{0}:reporters`,
    lease: `${prefix}:{drain}:lease`,
    sink: `${prefix}:{drain}:sink`,
  };
}
