import {
  nextState,
  type Binding,
  type CallState,
  type EventName,
  type Exchange,
  type Told,
} from './call-state.ts';
import type { CallKey } from './call-key.ts';
import { chain, type EvidenceRecord } from './evidence.ts';
import { grant, refuse, type Decision } from './decision.ts';
import type { JsonObject } from './json.ts';

/** Who holds the exchange with Graph, and for how long from now. */
interface Hold {
  readonly token: string;
  readonly forMs: number;
}

/** Things that happen to a call. `token` names the handler that holds the exchange with Graph. */
export type CallEvent =
  | { readonly type: 'bound'; readonly binding: Binding }
  | { readonly type: 'startRequested'; readonly hold: Hold }
  | {
      readonly type: 'startConfirmed';
      readonly token: string;
      readonly epoch: number;
      readonly binding: Binding | null;
    }
  | { readonly type: 'startRefused' | 'startUnknown'; readonly token: string; readonly epoch: number }
  | { readonly type: 'repeatRequested'; readonly hold: Hold }
  | { readonly type: 'repeatSettled'; readonly token: string }
  | { readonly type: 'stopRequested'; readonly hold: Hold }
  | { readonly type: 'stopTakenOver'; readonly hold: Hold }
  | { readonly type: 'stopDeferred'; readonly token: string }
  | { readonly type: 'drained'; readonly hold: Hold }
  | { readonly type: 'stopConfirmed' | 'stopRefused' | 'stopUnknown'; readonly token: string }
  | { readonly type: 'ended' }
  | {
      readonly type: 'operationPending';
      readonly token: string;
      readonly operation: string;
      readonly binding: Binding | null;
    }
  | { readonly type: 'notified' | 'rosterNotified' | 'contradicted'; readonly told: Told }
  | {
      readonly type:
        | 'holderLost'
        | 'writesRefused'
        | 'metadataUpdated'
        | 'operationPatched'
        | 'mediaRequested'
        | 'callbackBypassed';
    };

/** What every event carries besides its type. */
export interface Occasion {
  readonly call: CallKey;
  /** Store clock, ms. */
  readonly now: number;
  /** How long a request to Graph may be on the wire after its handler gave up, ms (one Graph timeout). */
  readonly wireMs: number;
  readonly instance: string;
  readonly policy: string | null;
  readonly by: Binding | null;
  readonly detail: JsonObject;
}

export interface Step {
  readonly state: CallState;
  readonly record: EvidenceRecord;
}

type Changes = Partial<Omit<CallState, 'state' | 'at' | 'seq' | 'head'>>;

/** An exchange whose time is over holds nobody back. */
export const liveExchange = (state: CallState, now: number): CallState['exchange'] =>
  state.exchange !== null && state.exchange.until > now ? state.exchange : null;

/**
 * The state machine: the next state and its evidence, or a refusal. Pure; the stores only compare and swap.
 */
export function transition(state: CallState, event: CallEvent, occasion: Occasion): Decision<Step> {
  const judged = judge(state, event, occasion);
  if (!judged.ok) return judged;
  const { name, changes } = judged.value;
  const next = nextState(state.state, name);
  if (next === undefined) return refuse(state.state === 'ended' ? 'CallEnded' : 'StatusInProgress');
  return grant(
    chain(state, { ...state, ...changes, state: next }, { ...occasion, at: occasion.now, event: name }),
  );
}

interface Judged {
  readonly name: EventName;
  readonly changes: Changes;
}

const happens = (name: EventName, changes: Changes = {}): Decision<Judged> => grant({ name, changes });

function judge(state: CallState, event: CallEvent, { now, wireMs }: Occasion): Decision<Judged> {
  switch (event.type) {
    case 'bound':
      return state.binding === null ? happens('bound', { binding: event.binding }) : refuse('CallNotFound');
    case 'startRequested': {
      const busy = inTheWay(state, now);
      if (busy !== undefined) return busy;
      return happens('startRequested', {
        epoch: Math.max(state.epoch + 1, now),
        exchange: held('start', event.hold, now),
        closedAt: null,
      });
    }
    case 'startConfirmed':
    case 'startRefused':
    case 'startUnknown': {
      const mine = state.exchange?.token === event.token;
      const cleared: Changes = mine ? { exchange: null } : {};
      // A reply for an older epoch, or after a stop has shut the start out, opens nothing.
      if (!mine || state.state !== 'starting' || state.epoch !== event.epoch)
        return happens('startSuperseded', cleared);
      if (event.type !== 'startConfirmed') return happens(event.type, cleared);
      return happens('startConfirmed', {
        ...cleared,
        openedAt: now,
        binding: state.binding ?? event.binding,
      });
    }
    case 'repeatRequested': {
      const live = liveExchange(state, now);
      if (live !== null) return refuse('StatusInProgress', { retryAfterMs: live.until - now });
      return happens('repeatRequested', { exchange: held('start', event.hold, now) });
    }
    case 'repeatSettled':
      return happens('repeatSettled', state.exchange?.token === event.token ? { exchange: null } : {});
    case 'stopRequested': {
      const live = liveExchange(state, now);
      if (live?.kind === 'stop') return refuse('StatusInProgress', { retryAfterMs: live.until - now });
      // A start in flight keeps the exchange until its answer is known: Graph must see the two in order.
      return happens('stopRequested', live === null ? takeOver(state, event.hold, now, wireMs) : {});
    }
    case 'stopTakenOver': {
      const live = liveExchange(state, now);
      if (live !== null) return refuse('StatusInProgress', { retryAfterMs: live.until - now });
      return happens('stopTakenOver', takeOver(state, event.hold, now, wireMs));
    }
    case 'drained':
      // Its time may be over: as long as nobody took the exchange over, nobody else sends.
      if (state.exchange?.token !== event.hold.token)
        return refuse('StatusInProgress', { retryAfterMs: 1000 });
      return happens('drained', {
        openedAt: null,
        closedAt: state.openedAt === null ? state.closedAt : now,
        exchange: held('stop', event.hold, now),
      });
    case 'stopDeferred':
      return state.exchange?.token === event.token
        ? happens(event.type, { exchange: null })
        : refuse('StatusInProgress');
    case 'stopConfirmed':
    case 'stopRefused':
      return state.exchange?.token === event.token
        ? happens(event.type, { exchange: null, closedAt: state.closedAt === null ? null : now })
        : refuse('StatusInProgress');
    case 'operationPending':
      return state.exchange?.token === event.token
        ? happens(event.type, {
            exchange: { ...state.exchange, operation: event.operation },
            // Graph has taken the request, so the call is theirs.
            binding: state.binding ?? event.binding,
          })
        : refuse('StatusInProgress');
    case 'notified':
    case 'rosterNotified':
    case 'contradicted':
      return happens(event.type, { told: event.told });
    case 'stopUnknown':
      return state.exchange?.token === event.token
        ? happens('stopUnknown', { exchange: null, wireUntil: Math.max(state.wireUntil, now + wireMs) })
        : refuse('StatusInProgress');
    case 'ended':
      return happens('ended', { exchange: null });
    case 'holderLost':
    case 'writesRefused':
    case 'metadataUpdated':
    case 'operationPatched':
    case 'mediaRequested':
    case 'callbackBypassed':
      return happens(event.type);
  }
}

/** What keeps a start from being sent now (rules R3 and R5). */
function inTheWay(state: CallState, now: number): Decision<never> | undefined {
  const live = liveExchange(state, now);
  if (live !== null) return refuse('StatusInProgress', { retryAfterMs: live.until - now });
  if (state.state === 'stopping' || state.state === 'unconfirmed') return refuse('StopUnconfirmed');
  if (state.wireUntil > now) return refuse('StopUnconfirmed', { retryAfterMs: state.wireUntil - now });
  return undefined;
}

/** The handler before may have sent its stop at the last moment of its time. */
function takeOver(state: CallState, hold: Hold, now: number, wireMs: number): Changes {
  const { exchange } = state;
  const mayHaveSent = exchange?.kind === 'stop' && state.state === 'unconfirmed';
  const wireUntil = mayHaveSent ? Math.max(state.wireUntil, exchange.until + wireMs) : state.wireUntil;
  return { exchange: held('stop', hold, now), wireUntil };
}

const held = (kind: Exchange['kind'], { token, forMs }: Hold, now: number): Exchange => ({
  kind,
  token,
  until: now + forMs,
});
