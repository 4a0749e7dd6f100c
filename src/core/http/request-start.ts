/** What one unit of a stamp is, in ms. */
export const startUnits = { s: 1000, ms: 1, us: 0.001 } as const;
export type StartUnit = keyof typeof startUnits;

/** How the proxy in front writes when a request began, and how far its clock may be from ours. */
export interface StartStamp {
  readonly unit: StartUnit;
  readonly toleranceMs: number;
}

/** Why it is not known when a request began, or known that it began too early. */
export const startProblems = {
  untrusted: 'the connection does not come from a trusted proxy',
  missing: 'the header is missing',
  repeated: 'the header is repeated',
  malformed: 'the header value is not a time such as t=1750000000000',
  future: 'the time in the header is in the future',
  early: 'the request began before recording was confirmed, or within the clock tolerance after it',
} as const;
export type StartProblem = keyof typeof startProblems;

/** How old a request may be, ms: at least as old as it is, where the two clocks differ by no more than is allowed. */
export type RequestAge =
  { readonly ok: true; readonly ageMs: number } | { readonly ok: false; readonly problem: StartProblem };

/** `t=1750000000000`, or the number alone; nginx writes a fraction. */
const stampForm = /^(?:t=)?(\d{1,17}(?:\.\d{1,9})?)$/;

/** The age of a request by the stamp of the proxy in front. `wallNow` is our own time of day, cut to whole ms. */
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
