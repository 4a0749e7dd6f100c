import type { CallKey } from '../core/call/key.ts';
import { type Refusal, refuse } from '../core/decision.ts';
import { startProblems } from '../core/http/request-start.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { UnchangedSince } from './unchanged-since.ts';

const watchedAs = (call: CallKey, epoch: number): string => `${call} ${epoch} open`;

/** This instance knows now that the epoch is open. */
export const seenOpen = (watch: UnchangedSince, call: CallKey, epoch: number): void =>
  void watch.elapsedMs(watchedAs(call, epoch));

/** The latest moment at which an epoch can have been opened, local clock: by what the store knows, or was seen here. */
export const openedAt = (
  { clock, watch }: { readonly clock: Clock; readonly watch: UnchangedSince },
  call: CallKey,
  { epoch, openForMs }: { readonly epoch: number; readonly openForMs: number },
): number => clock.now() - Math.max(openForMs, watch.elapsedMs(watchedAs(call, epoch)));

/** Refuses a write that may have begun before its interval was opened; undefined: it is asked nothing, or began in it. */
export function tooEarly(
  meter: Meter,
  { openedAt: opened }: { readonly openedAt: number },
  beganAt = Infinity,
): Refusal | undefined {
  if (beganAt >= opened) return undefined;
  meter.requestStartRefused('early');
  return refuse('RecordingNotActive', { detail: startProblems.early });
}
