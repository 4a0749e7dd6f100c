import type { ReasonCode } from './reasons.ts';

/** A refusal is a value, never an exception. */
export interface Refusal {
  readonly ok: false;
  readonly reason: ReasonCode;
  /** What exactly is wrong, for the person who reads the answer. Never a token, never a body. */
  readonly detail?: string | undefined;
  /** When to try again. */
  readonly retryAfterMs?: number | undefined;
}

export interface Granted<T> {
  readonly ok: true;
  readonly value: T;
}

export type Decision<T> = Granted<T> | Refusal;

export const grant = <T>(value: T): Granted<T> => ({ ok: true, value });

export const refuse = (
  reason: ReasonCode,
  more: { detail?: string | undefined; retryAfterMs?: number | undefined } = {},
): Refusal => ({ ok: false, reason, ...more });
