declare const brand: unique symbol;

/** The canonical call id: 32 lower-case hexadecimal digits. One call has one key, however its id is spelled. */
export type CallKey = string & { readonly [brand]: 'CallKey' };

const hyphenated = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const undashed = /^[0-9a-f]{32}$/i;

/**
 * Graph writes the id of one call as a hyphenated lower-case GUID and as an undashed upper-case one.
 * Anything else is not a call id: `undefined`.
 */
export function parseCallKey(text: string): CallKey | undefined {
  if (!hyphenated.test(text) && !undashed.test(text)) return undefined;
  return text.replaceAll('-', '').toLowerCase() as CallKey;
}

/** A call that nobody has: read where only the store itself is asked about. */
export const noCall = '00000000000040008000000000000000' as CallKey;

/** The spelling Graph uses in REST URLs. */
export function toGuid(key: CallKey): string {
  return [key.slice(0, 8), key.slice(8, 12), key.slice(12, 16), key.slice(16, 20), key.slice(20)].join('-');
}

/** Facts for people and for other programs: their call as Graph spells it. */
export function callAsGraphSpells<Facts extends { readonly call?: unknown }>(facts: Facts): Facts {
  const { call } = facts;
  const key = typeof call === 'string' ? parseCallKey(call) : undefined;
  return key === undefined ? facts : { ...facts, call: toGuid(key) };
}
