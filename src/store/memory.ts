import type { CallKey } from '../core/call-key.ts';
import { keptStates, type CallState, type StateName } from '../core/call-state.ts';
import { Fault } from '../core/errors.ts';
import type { Holder, Revocation, SessionId, Store, Tally } from '../core/ports.ts';
import { saysNothing } from '../core/tally.ts';
import { MemoryOutbox } from './memory-outbox.ts';

export interface MemoryStoreOptions {
  /** Store clock, ms; `Date.now` if absent. */
  readonly clock?: () => number;
  /** When the store began without data; the moment of its creation if absent. */
  readonly bornAt?: number;
}

interface Call {
  state: CallState;
  version: number;
  operation: string;
  expiresAt: number;
  readonly holders: Map<SessionId, number>;
  readonly tallies: Map<string, Holder & Tally>;
}

interface Session {
  expiresAt: number;
  readonly inbox: Map<CallKey, number>;
}

type Wake = (revocation: Revocation) => void;

const purgeEveryMs = 60_000;

/** A store for one process. Every step is atomic because it is synchronous; nothing survives the process. */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const clock = options.clock ?? Date.now;
  const bornAt = options.bornAt ?? clock();
  const calls = new Map<CallKey, Call>();
  /** When something was last heard of each call that has not ended. */
  const heard = new Map<CallKey, number>();
  const sessions = new Map<SessionId, Session>();
  const wakes = new Map<SessionId, Set<Wake>>();
  const outbox = new MemoryOutbox();
  let lease: { owner: string; until: number } | undefined;
  let sink: string | undefined;
  let purgedAt = clock();
  let closed = false;

  /** One step at the present moment; as on Redis, a fault comes as a rejection. */
  const step = <T>(run: (now: number) => T): Promise<T> =>
    new Promise((resolve) => {
      if (closed) throw new Fault('StoreUnavailable', 'the store was closed');
      resolve(run(clock()));
    });

  const living = <K, V extends { readonly expiresAt: number }>(
    map: Map<K, V>,
    key: K,
    now: number,
  ): V | undefined => {
    const found = map.get(key);
    if (found === undefined || found.expiresAt > now) return found;
    map.delete(key);
    return undefined;
  };

  const purge = (now: number): void => {
    if (now - purgedAt < purgeEveryMs) return;
    purgedAt = now;
    for (const call of calls.keys()) living(calls, call, now);
    for (const call of heard.keys()) if (!calls.has(call)) heard.delete(call);
    for (const session of sessions.keys()) living(sessions, session, now);
  };

  return {
    calls: {
      read: (key) =>
        step((now) => {
          const call = living(calls, key, now);
          return {
            state: call?.state ?? null,
            version: call?.version ?? 0,
            holders: [...(call?.holders ?? [])].map(([session, epoch]) => ({ session, epoch })),
            tallies: [...(call?.tallies.values() ?? [])],
            now,
            bornAt,
          };
        }),
      commit: ({ call: key, version, state, record, dropTallies, retentionMs, operation }) =>
        step((now) => {
          purge(now);
          const before = living(calls, key, now);
          if (before?.operation === operation) return true;
          if ((before?.version ?? 0) !== version) return false;
          calls.set(key, {
            state,
            version: Math.max(version + 1, now),
            operation,
            expiresAt: retentionMs === undefined ? Infinity : now + retentionMs,
            holders: before?.holders ?? new Map<SessionId, number>(),
            tallies: dropTallies || before === undefined ? new Map<string, Holder & Tally>() : before.tallies,
          });
          if (state.state === 'ended') heard.delete(key);
          else heard.set(key, now);
          outbox.add({ record }, now);
          return true;
        }),
      acquire: (key, session) =>
        step((now) => {
          const call = living(calls, key, now);
          if (call === undefined) return { state: 'idle' };
          const { state, epoch, binding } = call.state;
          if (state !== 'recording') return { state };
          call.holders.set(session, epoch);
          return { state, epoch, binding };
        }),
      leave: (key, { session, epoch }, tally) =>
        step((now) => {
          const call = living(calls, key, now);
          if (call === undefined) return;
          // A late report must not end a hold of a later epoch.
          if ((call.holders.get(session) ?? Infinity) <= epoch) call.holders.delete(session);
          const name = `${epoch} ${session}`;
          if (!saysNothing(tally) || !call.tallies.has(name))
            call.tallies.set(name, { ...tally, session, epoch });
        }),
      census: () =>
        step(() => {
          const counts = new Map<StateName, number>(keptStates.map((state) => [state, 0]));
          for (const { state } of calls.values()) {
            const count = counts.get(state.state);
            if (count !== undefined) counts.set(state.state, count + 1);
          }
          return Object.fromEntries(counts);
        }),
      heard: (keys) =>
        step((now) => {
          for (const key of keys) if (heard.has(key)) heard.set(key, now);
        }),
      silent: (forMs, limit) =>
        step((now) =>
          [...heard]
            .filter(([, at]) => at <= now - forMs)
            .sort(([, a], [, b]) => a - b)
            .slice(0, Math.max(0, limit))
            .map(([key]) => key),
        ),
      forget: (key) =>
        step((now) => {
          if (living(calls, key, now) === undefined) heard.delete(key);
        }),
    },
    sessions: {
      join: (session, ttlMs) =>
        step((now) => {
          const inbox = living(sessions, session, now)?.inbox ?? new Map<CallKey, number>();
          sessions.set(session, { expiresAt: now + ttlMs, inbox });
        }),
      heartbeat: (id, ttlMs, done) =>
        step((now) => {
          const session = living(sessions, id, now);
          if (session === undefined) return 'lost';
          session.expiresAt = now + ttlMs;
          for (const { call, epoch } of done)
            if ((session.inbox.get(call) ?? Infinity) <= epoch) session.inbox.delete(call);
          return [...session.inbox].map(([call, epoch]) => ({ call, epoch }));
        }),
      revoke: (id, { call, epoch }) =>
        step((now) => {
          const session = living(sessions, id, now);
          if (session === undefined) return false;
          session.inbox.set(call, Math.max(session.inbox.get(call) ?? 0, epoch));
          for (const wake of wakes.get(id) ?? []) queueMicrotask(() => wake({ call, epoch }));
          return true;
        }),
      quit: (session) => step(() => void sessions.delete(session)),
      onWake: (session, wake) =>
        step(() => {
          const listeners = wakes.get(session) ?? new Set<Wake>();
          wakes.set(session, listeners.add(wake));
          return () => {
            listeners.delete(wake);
            if (listeners.size === 0 && wakes.get(session) === listeners) wakes.delete(session);
          };
        }),
    },
    outbox: {
      lease: (owner, forMs) =>
        step((now) => {
          if (lease !== undefined && lease.owner !== owner && lease.until > now) return false;
          lease = { owner, until: now + forMs };
          return true;
        }),
      release: (owner) =>
        step(() => {
          if (lease?.owner === owner) lease = undefined;
        }),
      pending: (limit) => step(() => outbox.oldest(limit)),
      remove: (done) => step(() => outbox.remove(done)),
      depth: () => step(() => outbox.size),
      backlog: () => step((now) => outbox.backlog(now)),
      report: (report) => step((now) => outbox.report(report, now)),
      claimSink: (wanted, insteadOf) =>
        step(() => (sink = sink === undefined || sink === insteadOf ? wanted : sink)),
    },
    ping: () => step(() => undefined),
    close: () => {
      closed = true;
      return Promise.resolve();
    },
  };
}
