import { randomUUID } from 'node:crypto';
import type { CallKey } from '../core/call/key.ts';
import type { TimedHolder, Holder, HolderTimes, SessionId, SessionTimes } from '../core/call/session.ts';
import { type CallState, isWatched, keptStates, type StateName } from '../core/call/state.ts';
import { knowsNothing, type Tally } from '../core/call/tally.ts';
import { Fault } from '../core/errors.ts';
import type { AnnouncedStop, Revocation } from '../core/ports/session-store.ts';
import type { Store } from '../core/ports/store.ts';
import { memoryActivity } from './memory-activity.ts';
import { MemoryHolds } from './memory-holds.ts';
import { MemoryOutbox } from './memory-outbox.ts';

export interface MemoryStoreOptions {
  /** The store's time, ms: never goes back, and runs at an even pace; that of the process if absent. */
  readonly clock?: () => number;
  /** The time of day, for the evidence alone, ms since the epoch; `Date.now` if absent. */
  readonly wallClock?: () => number;
  /** For how long the store has been without data, ms; 0 if absent: it begins now, and rule R2 holds. */
  readonly livedMs?: number;
  /** The same as a date by `wallClock`, which is read for it once, when the store is made. */
  readonly bornAt?: number;
}

interface Call {
  state: CallState;
  version: number;
  operation: string;
  expiresAt: number;
  /** When it became open last, by the clock. */
  openedAt: number;
  readonly holders: Map<SessionId, HolderTimes & { readonly epoch: number }>;
  readonly tallies: Map<string, Holder & Tally>;
}

interface Session {
  readonly times: SessionTimes;
  /** Moves with every sign of life. */
  beats: number;
  beatAt: number;
  readonly inbox: Map<CallKey, number>;
}

type Wake = (revocation: Revocation) => void;

/** What has given no sign of life for so long, and for ten times its TTL, is nobody's any more. */
const goneMs = 60_000;

const monotonic = (): number => performance.timeOrigin + performance.now();

/** A date that is none, or that is yet to come, is now: the store waits as one that begins. */
const livedSince = (date: number | undefined, now: number): number =>
  date !== undefined && date < now ? now - date : 0;

/** A store for one process. Every step is atomic because it is synchronous; nothing survives the process. */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const clock = options.clock ?? monotonic;
  const wallClock = options.wallClock ?? Date.now;
  const bornAt = clock() - (options.livedMs ?? livedSince(options.bornAt, wallClock()));
  const life = randomUUID();
  const calls = new Map<CallKey, Call>();
  /** When each call that has not ended was last active. */
  const lastActive = new Map<CallKey, number>();
  const sessions = new Map<SessionId, Session>();
  const wakes = new Map<SessionId, Set<Wake>>();
  const stopListeners = new Set<(stop: AnnouncedStop) => void>();
  const outbox = new MemoryOutbox();
  const holds = new MemoryHolds(life, outbox);
  let lease: { owner: string; until: number } | undefined;
  let sink: string | undefined;
  let closed = false;

  /** One step at the present moment; as on Redis, a fault comes as a rejection. */
  const step = <T>(run: (now: number) => T): Promise<T> =>
    new Promise((resolve) => {
      if (closed) throw new Fault('StoreUnavailable', 'the store was closed');
      resolve(run(Math.max(Math.floor(clock()), holds.closedUpTo + 1)));
    });

  const forget = (session: SessionId): void => {
    sessions.delete(session);
    holds.forget(session);
  };

  return {
    calls: {
      read: (key) =>
        step((now) => {
          const call = calls.get(key);
          return {
            state: call?.state ?? null,
            version: call?.version ?? 0,
            holders: [...(call?.holders ?? [])].map(([session, holder]): TimedHolder => ({
              session,
              ...holder,
            })),
            tallies: [...(call?.tallies.values() ?? [])],
            now,
            clock: wallClock(),
            watched: now,
            life,
            livedMs: clock() - bornAt,
            isOfThisLife: true,
          };
        }),
      commit: ({
        call: key,
        version,
        life: computedIn,
        state,
        record,
        dropTallies,
        retentionMs,
        operation,
      }) =>
        step((now) => {
          const before = calls.get(key);
          if (before?.operation === operation) return true;
          if (computedIn !== life || (before?.version ?? 0) !== version) return false;
          calls.set(key, {
            state,
            version: Math.max(version + 1, now),
            operation,
            expiresAt: retentionMs === undefined ? Infinity : now + retentionMs,
            openedAt: before?.state.state === 'recording' ? before.openedAt : Math.ceil(clock()),
            holders: before?.holders ?? new Map<SessionId, HolderTimes & { readonly epoch: number }>(),
            tallies: dropTallies || before === undefined ? new Map<string, Holder & Tally>() : before.tallies,
          });
          if (isWatched(state)) lastActive.set(key, now);
          else lastActive.delete(key);
          outbox.add({ record }, now);
          return true;
        }),
      acquire: (key, session) =>
        step((now) => {
          const joined = sessions.get(session);
          if (joined === undefined)
            throw new Fault('StoreUnavailable', 'the session has not joined the store');
          const call = calls.get(key);
          if (call === undefined) return { state: 'idle' };
          const { state, epoch, binding } = call.state;
          if (state !== 'recording') return { state };
          const { ttlMs, graphTimeoutMs } = joined.times;
          call.holders.set(session, { epoch, ttlMs, graphTimeoutMs });
          return { state, epoch, binding, openForMs: Math.max(0, now - call.openedAt) };
        }),
      leave: (key, { session, epoch }, tally) =>
        step(() => {
          const call = calls.get(key);
          if (call === undefined) return;
          // A late report must not end a hold of a later epoch.
          if ((call.holders.get(session)?.epoch ?? Infinity) <= epoch) call.holders.delete(session);
          const name = `${epoch} ${session}`;
          if (!knowsNothing(tally) || !call.tallies.has(name))
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
      touch: (keys) =>
        step((now) => {
          for (const key of keys) if (lastActive.has(key)) lastActive.set(key, now);
        }),
      idle: (forMs, limit) =>
        step((now) =>
          [...lastActive]
            .filter(([, at]) => at <= now - forMs)
            .sort(([, a], [, b]) => a - b)
            .slice(0, Math.max(0, limit))
            .map(([key]) => key),
        ),
      sweep: (limit) =>
        step((now) => {
          const due = [...calls].filter(([, { expiresAt }]) => expiresAt <= now).slice(0, Math.max(0, limit));
          for (const [key] of due) {
            calls.delete(key);
            lastActive.delete(key);
          }
          for (const [id, { beatAt, times }] of sessions)
            if (now - beatAt >= Math.max(goneMs, 10 * times.ttlMs)) forget(id);
          return due.length;
        }),
    },
    sessions: {
      join: (session, times) =>
        step((now) => {
          const known = sessions.get(session);
          const inbox = known?.inbox ?? new Map<CallKey, number>();
          sessions.set(session, { times, beats: (known?.beats ?? 0) + 1, beatAt: now, inbox });
          return 'joined';
        }),
      heartbeat: (id, done) =>
        step((now) => {
          const session = sessions.get(id);
          if (session === undefined) return 'lost';
          session.beats += 1;
          session.beatAt = now;
          for (const { call, epoch } of done)
            if ((session.inbox.get(call) ?? Infinity) <= epoch) session.inbox.delete(call);
          return [...session.inbox].map(([call, epoch]) => ({ call, epoch }));
        }),
      revoke: (id, { call, epoch }) =>
        step(() => {
          const session = sessions.get(id);
          if (session === undefined) return 'missing';
          session.inbox.set(call, Math.max(session.inbox.get(call) ?? 0, epoch));
          for (const wake of wakes.get(id) ?? []) queueMicrotask(() => wake({ call, epoch }));
          return session.beats;
        }),
      quit: (session) => step(() => forget(session)),
      onWake: (session, wake) =>
        step(() => {
          const listeners = wakes.get(session) ?? new Set<Wake>();
          wakes.set(session, listeners.add(wake));
          return () => {
            listeners.delete(wake);
            if (listeners.size === 0 && wakes.get(session) === listeners) wakes.delete(session);
          };
        }),
      announceStop: (stop) =>
        step(() => {
          for (const receive of stopListeners) queueMicrotask(() => receive(stop));
        }),
      onStop: (receive) =>
        step(() => {
          stopListeners.add(receive);
          return () => void stopListeners.delete(receive);
        }),
    },
    activity: memoryActivity(),
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
    holds: {
      read: (session, acknowledged) => step(() => holds.read(session, acknowledged, wallClock())),
      commit: (commit) => step((now) => holds.commit(commit, now)),
      behind: (acknowledged) =>
        step(() =>
          [...sessions]
            .filter(([session]) => !holds.hasAcknowledged(session, acknowledged))
            .map(([session, { times }]) => ({ session, ttlMs: times.ttlMs })),
        ),
      isWaiting: (entry) => step(() => outbox.has(entry)),
      newestTime: () =>
        step((now) => [...calls.values()].reduce((newest, { state }) => Math.max(newest, state.epoch), now)),
      onChange: (listener) => step(() => holds.onChange(listener)),
    },
    inProcess: true,
    ping: () => step(() => undefined),
    close: () => {
      closed = true;
      return Promise.resolve();
    },
  };
}
