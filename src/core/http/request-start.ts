/** What one unit of a stamp is, in ms. */
export const startUnits = { s: 1000, ms: 1, us: 0.001 } as const;
export type StartUnit = keyof typeof startUnits;

/**
 * Format of the request start time set by the proxy in front, and the tolerated difference of its clock from ours.
 */
export interface StartStamp {
  readonly unit: StartUnit;
  readonly toleranceMs: number;
}

/** Reasons why the start of a request is unknown or too early. */
export const startProblems = {
  untrusted: 'the connection does not come from a trusted proxy',
  missing: 'the header is missing',
  repeated: 'the header is repeated',
  malformed: 'the header value is not a time such as t=1750000000000',
  future: 'the time in the header is in the future',
  early: 'the request began before recording was confirmed, or within the clock tolerance after it',
} as const;
export type StartProblem = keyof typeof startProblems;

/** Upper bound of the age of a request, ms, if the two clocks differ by no more than the tolerance. */
export type RequestAge =
  { readonly ok: true; readonly ageMs: number } | { readonly ok: false; readonly problem: StartProblem };

/** `t=1750000000000`, or the number alone; nginx writes a fraction. */
const stampForm = /^(?:t=)?(\d{1,17}(?:\.\d{1,9})?)$/;

/**
 * The age of a request, from the start time set by the proxy in front. `wallNow` is our own time of day in whole ms,
 * rounded down.
 */
export function requestAge(
  values: readonly string[],
  { unit, toleranceMs }: StartStamp,
  wallNow: number,
): RequestAge {
  const [value, second] = values;
  if (value === undefined) return { ok: false, problem: 'missing' };
  if (second !== undefined) return { ok: false, problem: 'repeated' };
  const [, number] = stampForm.exec(value) ?? [];
  if (number === undefined) return { ok: false, problem: 'malformed' };
  // What was cut from our own time counts as passed.
  const ageMs = wallNow + 1 - Number(number) * startUnits[unit];
  return ageMs < -toleranceMs ? { ok: false, problem: 'future' } : { ok: true, ageMs: ageMs + toleranceMs };
}
