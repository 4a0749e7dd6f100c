import type { CallKey } from '../core/call/key.ts';
import type { HoldScope, Operator, StandingHold } from '../core/call/hold.ts';
import type { Binding, Exchange, NotifiedFacts, StateName } from '../core/call/state.ts';
import type { Decision } from '../core/decision.ts';
import type { ActivityBatch } from '../core/ports/activity.ts';

/** What the store has of one call at this moment. */
export interface StoredCall {
  readonly state: StateName;
  readonly binding: Binding | null;
  readonly holders: readonly { readonly instance: string; readonly epoch: number }[];
  readonly exchange: Pick<Exchange, 'kind' | 'operation'> | null;
  readonly notified: Pick<NotifiedFacts, 'states' | 'applicationInstance'> | null;
}

/** What an instance knows of the whole. */
export interface InstanceStatus {
  readonly holds: readonly StandingHold[];
  readonly evidence: { readonly waiting: number | null; readonly oldestSeconds: number | null };
  /** Calls that have been idle for longer than a bot may be silent. */
  readonly idle: readonly CallKey[];
  /** Until when some tenants are only observed (RFC 3339); null: the laws are enforced. */
  readonly observeUntil: string | null;
}

export interface Act {
  readonly by: Operator;
  readonly reason: string;
}

export interface ClosedCall {
  /** Whether Graph was told; `nobody`: there is no credential, and the stop is unconfirmed. */
  readonly told: 'graph' | 'nobody';
}

export interface ChangedHold {
  readonly hold: StandingHold;
  /** Whether every live session acts on it, and its line in the journal is durable. */
  readonly acknowledged: boolean;
}

/**
 * An instance that the console asks: its own process, or a worker. Every value can be sent as a message. undefined: it did
 * not answer in time, or the store did not.
 */
export interface Backend {
  /** null: the store knows nothing of the call. */
  call(call: CallKey): Promise<StoredCall | null | undefined>;
  status(): Promise<InstanceStatus | undefined>;
  /** Asks for live activity, and returns what was heard since the last time. */
  activity(): Promise<readonly ActivityBatch[] | undefined>;
  close(call: CallKey, act: Act): Promise<Decision<ClosedCall> | undefined>;
  hold(scope: HoldScope, act: Act): Promise<Decision<ChangedHold> | undefined>;
  release(id: string, act: Act): Promise<Decision<ChangedHold> | undefined>;
}
