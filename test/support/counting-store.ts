import type { Store } from '../../src/core/ports/store.ts';

export interface CountingStore extends Store {
  /** How often each command was given since the last reset. */
  readonly counts: Map<string, number>;
}

/** Counts the commands that a store is given. */
export function counting(inner: Store): CountingStore {
  const counts = new Map<string, number>();
  const count = <Part extends object>(part: Part): Part =>
    new Proxy(part, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
          return Reflect.apply(member, target, args) as unknown;
        };
      },
    });
  return {
    counts,
    calls: count(inner.calls),
    sessions: count(inner.sessions),
    outbox: inner.outbox,
    activity: inner.activity,
    holds: inner.holds,
    inProcess: true,
    ping: () => inner.ping(),
    close: () => inner.close(),
  };
}
