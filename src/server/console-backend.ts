import type { Backend, InstanceStatus, StoredCall } from '../console/backend.ts';
import type { CallKey } from '../core/call/key.ts';
import { endOfObservation } from '../core/call/observation.ts';
import type { CallState } from '../core/call/state.ts';
import { grant } from '../core/decision.ts';
import { isFault } from '../core/errors.ts';
import type { CallView } from '../core/ports/call-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Store } from '../core/ports/store.ts';
import type { Gate } from '../gate/gate.ts';
import { liveActivity } from './live-activity.ts';

/** Bots send keepAlive every 45 minutes at least. */
const silentMs = 45 * 60_000;
const askIdleEveryMs = 60_000;
const maxIdle = 5000;

const unknownEvidence: InstanceStatus['evidence'] = { waiting: null, oldestSeconds: null };

interface BackendParts {
  readonly gate: Pick<Gate, 'isReady' | 'observed' | 'byHand'>;
  readonly store: Pick<Store, 'calls' | 'outbox' | 'activity'>;
  readonly clock: Clock;
}

/** What an instance answers its console, in this process or in another one. */
export function consoleBackend({ gate, store, clock }: BackendParts): Backend & { end(): void } {
  const activity = liveActivity(store.activity, () => clock.now());
  let idle: readonly CallKey[] = [];
  let idleAskedAt = -Infinity;

  /** undefined: the store does not answer, or this instance has no session and leaves it as it is. */
  const asking = async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
    if (!gate.isReady()) return undefined;
    try {
      return await ask();
    } catch (error) {
      if (!isFault(error)) throw error;
      return undefined;
    }
  };

  const evidence = async (): Promise<InstanceStatus['evidence']> => {
    const [waiting, { oldest }] = await Promise.all([store.outbox.depth(), store.outbox.backlog()]);
    return { waiting, oldestSeconds: (oldest?.ageMs ?? 0) / 1000 };
  };
  const lookForIdle = async (): Promise<void> => {
    if (clock.now() - idleAskedAt < askIdleEveryMs) return;
    idleAskedAt = clock.now();
    idle = await store.calls.idle(silentMs, maxIdle);
  };

  return {
    call: (call) => asking(async () => storedCall(await store.calls.read(call))),
    async status() {
      const [found] = await Promise.all([asking(evidence), asking(lookForIdle)]);
      const { current } = gate.observed;
      return {
        ...{ holds: gate.byHand.holds(), evidence: found ?? unknownEvidence, idle },
        observeUntil: current === undefined ? null : endOfObservation(current),
      };
    },
    activity: () => asking(() => activity.take()),
    async close(call, act) {
      const closed = await gate.byHand.closeByHand(call, act);
      return closed.ok ? grant({ told: closed.value.told }) : closed;
    },
    hold: (scope, act) => gate.byHand.hold({ scope, ...act }),
    release: (id, act) => gate.byHand.release(id, act),
    end: () => activity.close(),
  };
}

function storedCall({ state, holders }: CallView): StoredCall | null {
  return state === null
    ? null
    : {
        state: state.state,
        binding: state.binding,
        holders: holders.map(({ session, epoch }) => ({ instance: session, epoch })),
        ...shown(state),
      };
}

/** Without the names by which handlers recognise each other. */
const shown = ({ exchange, notified }: CallState): Pick<StoredCall, 'exchange' | 'notified'> => ({
  exchange: exchange && {
    kind: exchange.kind,
    ...(exchange.operation === undefined ? {} : { operation: exchange.operation }),
  },
  notified: notified && { states: notified.states, applicationInstance: notified.applicationInstance },
});
