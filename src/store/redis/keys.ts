import { sha256 } from '../../core/call/evidence.ts';
import type { CallKey } from '../../core/call/key.ts';
import type { SessionId } from '../../core/call/session.ts';
import { Fault } from '../../core/errors.ts';

/** Into so many parts the calls are divided; never change it for a store that has data. */
export const shardCount = 256;

/** The stable shard of a call. Graph's ids share digits, so their hash decides and not a part of them. */
export const shardOf = (call: CallKey): number => Number.parseInt(sha256(call).slice(0, 2), 16);

/** The layout that is described here; prelude.lua has it as well. */
export const formatNumber = 4;

export interface ShardKeys {
  /** A stream: the evidence that waits. */
  readonly outbox: string;
  /** A hash: which server wrote the shard last, the life of its data, protocol time and watched time. */
  readonly shard: string;
  /** A string: the number of this layout. An earlier build finds a value of the wrong type, and does nothing. */
  readonly mark: string;
  /** A hash: state -> number of calls. */
  readonly census: string;
  /** A sorted set: call id -> when it was last active, in watched time. Of calls that idleness may end. */
  readonly activity: string;
  /** A sorted set: call id -> when the call may be forgotten, in watched time. */
  readonly retained: string;
}

interface CallKeys extends ShardKeys {
  /** A hash: state, epoch, binding, value, version, operation, and the life of the shard that the epoch was begun in. */
  readonly call: string;
  /** A hash: session -> epoch, TTL and Graph timeout. */
  readonly holders: string;
  /** A hash: epoch and session -> tally. */
  readonly tallies: string;
}

interface SessionKeys {
  /** A hash: the server that the session was joined on, and its counter. */
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
  /** The channel that announces in which shard evidence waits. */
  readonly evidence: string;
  /** A hash: instance that has refused writes -> the numbers of its last report and of its last line. */
  readonly reporters: string;
  /** A hash: the holds, their number, the life of their shard in which they are known, and the last change of them. */
  readonly holds: string;
  /** A hash: session -> which holds it acts on. */
  readonly acks: string;
  /** The channel that announces that holds have changed. */
  readonly holdsChanged: string;
  /** The channel on which stops are announced to every instance. */
  readonly stops: string;
  /** The channel on which somebody says that it looks at live activity, and the one on which instances publish it. */
  readonly watched: string;
  readonly activity: string;
  /** A hash: session -> its times, and the largest that its operator allows. */
  readonly members: string;
  /** A string: the number of the layout. */
  readonly layout: string;
  /** A hash: who writes the evidence, a counter that moves with every renewal, and for how long it was given. */
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
    throw new Fault('ConfigurationInvalid', 'the key prefix may contain only letters, digits and . : _ -');
  const shard = (n: number): ShardKeys => ({
    outbox: `${prefix}:{${n}}:outbox`,
    shard: `${prefix}:{${n}}:shard`,
    mark: `${prefix}:{${n}}:life`,
    census: `${prefix}:{${n}}:census`,
    activity: `${prefix}:{${n}}:activity`,
    retained: `${prefix}:{${n}}:retained`,
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
    // With the outbox that takes their lines.
    holds: `${prefix}:{0}:holds`,
    acks: `${prefix}:{0}:acks`,
    holdsChanged: `${prefix}:holds`,
    stops: `${prefix}:stops`,
    watched: `${prefix}:watched`,
    activity: `${prefix}:activity`,
    members: `${prefix}:{drain}:members`,
    layout: `${prefix}:{drain}:format`,
    lease: `${prefix}:{drain}:lease`,
    sink: `${prefix}:{drain}:sink`,
  };
}
