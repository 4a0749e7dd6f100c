import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import type { CallKey } from '../../src/core/call/key.ts';
import type { CallView } from '../../src/core/ports/call-store.ts';
import type { AnnouncedStop } from '../../src/core/ports/session-store.ts';
import type { Store } from '../../src/core/ports/store.ts';
import type { Refused } from './acts.ts';
import type { Process } from './engine.ts';

/** What the store's clock shows at the beginning. */
export const startOfTime = Date.UTC(2026, 0, 31, 12);

export type Ports = Pick<Store, 'calls' | 'sessions' | 'outbox' | 'holds'>;

/** What becomes of one message to the store or from it; `reset` breaks the connection it is on. */
export type Fate =
  { readonly kind: 'slow' | 'twice'; readonly ms: number } | { readonly kind: 'lost' | 'reset' };

/** A store, and the network between it and the instances. */
export interface SimulatedStore {
  /** How far the store's clock is ahead, ms. */
  skewMs: number;
  /** Whether it has reached the limit of its memory. */
  isFull: boolean;
  /** What it refuses to do. */
  refuses: Refused | undefined;
  readonly isDown: boolean;
  /** How often data was lost. */
  readonly losses: number;
  /** How much longer than usual a status change may have to wait after a loss, ms. */
  readonly fencedMs: number;
  /** Until when each slot is cut off. */
  readonly cutOff: Map<number, number>;
  /** Until when nothing that is published reaches each slot. */
  readonly deaf: Map<number, number>;
  /** How long the next reply that makes a slot a holder takes, ms. */
  readonly lateGrants: Map<number, number>;
  /** Records that were accepted into the data there is now, by hash. */
  readonly committed: ReadonlyMap<string, EvidenceRecord>;
  goDown(): void;
  /** `lostMs`: another server takes the place, which may have lost the last moments. */
  comeUp(withData: boolean, lostMs?: number): void;
  /** Everything can be reached again, and is. */
  heal(): void;
  /** As it is now, without a network. */
  view(call: CallKey): Promise<CallView>;
  depth(): Promise<number>;
  /** Called with what a stop that was announced tells, when a process hears of it. */
  announced: (process: Process, stop: AnnouncedStop) => void;
  /** Called with each start that was stored. */
  started: (call: CallKey, epoch: number) => void;
  /** Called when data was lost, before anybody can reach what is left. */
  forgot: () => void;
  /** The store as one process reaches it. */
  portsFor(process: Process): Ports;
}

/** What is meant for the next occasion of a slot, which has come. */
export function taken(next: Map<number, number>, slot: number): number | undefined {
  const ms = next.get(slot);
  next.delete(slot);
  return ms;
}
