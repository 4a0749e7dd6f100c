import { type Refusal, refuse } from '../decision.ts';

/**
 * Why a write is aborted: its recording ended, this instance is shutting down or lost its session in the store, the
 * token that it was admitted with was revoked, or it passed unrecorded while the store observed, which is over.
 */
export const stopReasons = [
  'RecordingStopped',
  'ShuttingDown',
  'SessionLost',
  'TokenRevoked',
  'RecordingNotActive',
] as const;
export type StopReason = (typeof stopReasons)[number];

export const isStopReason = (reason: string): reason is StopReason =>
  (stopReasons as readonly string[]).includes(reason);

/**
 * The refusal that the client of an aborted write receives. Only if there is no recording, or the token is no longer
 * accepted, must the client not retry.
 */
export const cutRefusal = (why: StopReason): Refusal =>
  why === 'ShuttingDown' || why === 'SessionLost' ? refuse(why, { retryAfterMs: 1000 }) : refuse(why);

/**
 * How much of a write may have reached its handler. Bytes that left this process count, since they cannot be
 * recalled.
 */
export type Reached = 'nothing' | 'part' | 'whole';

/** Description of a write that a media handler is asked to discard. */
export interface DiscardedWrite {
  /** The id that came with the write as `Tallylight-Write`. */
  readonly write: string;
  /** As Graph spells it in URLs. */
  readonly call: string;
  readonly epoch: number;
  readonly reason: StopReason;
  /** Whether it was a WebSocket: then what came before may stay. */
  readonly stream: boolean;
}

/** Counts the bytes of an admitted write and aborts it if required. */
export interface WriteGuard {
  /** Whether bytes may go on; asked for every chunk. */
  mayContinue(): boolean;
  /** Why they may not. */
  readonly stopReason: StopReason;
  addBytes(count: number): void;
  /** `reached` is asked once, when the write ends without its whole answer, before anything is destroyed. */
  onMeasure(reached: () => Reached): void;
  /** `destroy` must end the write towards the upstream before it returns. */
  onCut(destroy: () => void): void;
  /**
   * For a write that would go on for ever: `finish` is called when the gate closes, and ends it by itself, in order;
   * it is cut if that takes longer than the drain limit.
   */
  onStop(finish: (why: StopReason) => void): void;
}
