import { parseCallKey, toGuid } from '../call/key.ts';
import { isRecord } from '../json.ts';

/*
 * Reading single values out of JSON that Graph sent: whatever is not what it should be is absent, and whatever is
 * kept is bounded and holds nothing that a log or an evidence file could not take.
 */

type Fields = Readonly<Record<string, unknown>>;
const none: Fields = {};
const maxLength = 128;
const maxListed = 16;

/** The fields of an object; empty for any other value. */
export const fieldsOf = (value: unknown): Fields => (isRecord(value) ? value : none);

/** Whether a value is a non-empty string. */
export const isNamed = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** Lower-cases ASCII letters only; `toLowerCase` would also map the Kelvin sign to k. */
export const foldCase = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** A value of Graph's enumerations: its documentation, its metadata and its SDKs differ in the letter case. */
export const readWord = (value: unknown): string | null =>
  typeof value === 'string' && value.length <= maxLength ? foldCase(value) : null;

/** At most 128 printable characters; anything else: null. */
export const readText = (value: unknown): string | null =>
  typeof value === 'string' && value.length <= maxLength && /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(value)
    ? value
    : null;

/** At most 128 visible ASCII characters, and no phone number; anything else: null. */
export const readLabel = (value: unknown): string | null =>
  typeof value === 'string' &&
  value.length <= maxLength &&
  /^[A-Za-z0-9][\x21-\x7e]*$/.test(value) &&
  !phoneNumber.test(value)
    ? value
    : null;

/** Graph's own prefixes of what a number reaches included: a caller from outside has `4:` and the number for an id. */
const phoneNumber = /^(?:4:|tel:|sips?:)|^(?:\d+:)?\+?[\d().-]{5,}$/i;
/** Ids that are made of an address or of a name somebody chose. */
const personal = /^(?:8:live:|mailto:)|@/i;
/** Users and bots as Teams names them to itself; the rest is their object id. */
const teamsPrefix =
  /^(?:8|28):(?:orgid:)?(?=[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$)/i;

/**
 * An id in one spelling: a GUID hyphenated and in lower case, however it came; Teams' own `8:orgid:` before a GUID is
 * left out. null: it is none, or would reveal a phone number, an address or a name.
 */
export function readId(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > maxLength) return null;
  const bare = value.replace(teamsPrefix, '');
  const key = parseCallKey(bare);
  if (key !== undefined) return toGuid(key);
  return personal.test(value) ? null : readLabel(value);
}

/** A whole number from 0, also one written as a string of digits. */
export function readCount(value: unknown): number | null {
  if (typeof value !== 'number' && typeof value !== 'string') return null;
  const digits = typeof value === 'number' ? String(value) : value;
  const count = /^\d{1,16}$/.test(digits) ? Number(digits) : NaN;
  return Number.isSafeInteger(count) ? count : null;
}

/** The first 16 values of a list that can be read. */
export function readList(list: unknown, read: (value: unknown) => string | null): string[] {
  const values: string[] = [];
  for (const item of Array.isArray(list) ? (list as unknown[]) : []) {
    const value = values.length < maxListed ? read(item) : null;
    if (value !== null) values.push(value);
  }
  return values;
}
