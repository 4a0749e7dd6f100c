import { type Refusal, refuse } from '../decision.ts';

/** Why a write may not go on: its recording ended, this instance is leaving, or it has lost its session in the store. */
export const stopReasons = ['RecordingStopped', 'ShuttingDown', 'SessionLost'] as const;
export type StopReason = (typeof stopReasons)[number];

export const isStopReason = (reason: string): reason is StopReason =>
  (stopReasons as readonly string[]).includes(reason);

/** What the client of a write that was cut is told. Only where its recording has ended is it of no use to send it again. */
export const cutRefusal = (why: StopReason): Refusal =>
  why === 'RecordingStopped' ? refuse(why) : refuse(why, { retryAfterMs: 1000 });

/** How much of a write may be with its handler. What has left this process counts: it cannot be called back. */
export type Reached = 'nothing' | 'part' | 'whole';

/** What a media handler is told of a write that it should discard. */
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

/** Watches the bytes of a write that was admitted. */
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
