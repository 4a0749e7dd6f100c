import { Fault } from '../core/errors.ts';
import type { Store } from '../core/ports/store.ts';

export interface BreakableStore extends Store {
  /** From now on nothing answers. */
  break(): void;
  mend(): void;
}

/** A store that can be made to fail like one whose server is gone. */
export function breakable(inner: Store): BreakableStore {
  let broken = false;
  const guard = <Part extends object>(part: Part): Part =>
    new Proxy(part, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          if (broken)
            return Promise.reject(
              new Fault('StoreUnavailable', 'the store is unavailable: it was broken on purpose'),
            );
          return Reflect.apply(member, target, args) as unknown;
        };
      },
    });
  return {
    calls: guard(inner.calls),
    sessions: guard(inner.sessions),
    outbox: guard(inner.outbox),
    activity: guard(inner.activity),
    holds: guard(inner.holds),
    ...(inner.inProcess === true ? { inProcess: true as const } : {}),
    ping: () =>
      broken
        ? Promise.reject(new Fault('StoreUnavailable', 'the store is unavailable: it was broken on purpose'))
        : inner.ping(),
    close: () => inner.close(),
    break: () => {
      broken = true;
    },
    mend: () => {
      broken = false;
    },
  };
}
