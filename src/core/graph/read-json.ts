import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import type { HeaderMap } from '../http/exchange.ts';
import { ambiguity } from '../json-keys.ts';

/** JSON that Graph, or a gateway in front of it, has sent. */
export type GraphJson =
  | { readonly readable: true; readonly value: unknown }
  /** No conclusion is possible; `why` is the explanation for people. */
  | { readonly readable: false; readonly why: string };

export interface ReadOptions {
  /** The most that a compressed body may become. */
  readonly maxBytes: number;
  /** Whether something opens or passes because of what is read: then every reader must find the same in it. */
  readonly decides: boolean;
}

/**
 * The one reader of what comes from Graph's side, as tolerant as its clients are: any content type, compressed or not,
 * with or without a byte order mark, with blanks or NULs behind the end. What a client sends is read by a stricter one.
 */
export function readGraphJson(
  raw: Uint8Array,
  headers: HeaderMap,
  { maxBytes, decides }: ReadOptions,
): GraphJson {
  const plain = decompressed(raw, headers, maxBytes);
  if (plain === undefined) return unreadable('its content coding is not supported');
  const text = decoded(plain, headers);
  if (text === undefined) return unreadable('it is not UTF-8');
  try {
    const value = JSON.parse(text) as unknown;
    const wrong = decides ? ambiguity(text, (key) => key) : undefined;
    return wrong === undefined ? { readable: true, value } : unreadable(wrong);
  } catch {
    return unreadable('it is not JSON');
  }
}

const unreadable = (why: string): GraphJson => ({ readable: false, why });

const one = (value: string | string[] | undefined): string =>
  (Array.isArray(value) ? value.join(',') : (value ?? '')).toLowerCase();

type Decompress = (bytes: Uint8Array, limit: { maxOutputLength: number }) => Uint8Array;

/** RFC 9110 calls the zlib format `deflate`; what some servers send by that name is bare. */
const inflate: Decompress = (bytes, limit) => {
  const [first = 0, second = 0] = bytes;
  const isZlib = (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
  return isZlib ? inflateSync(bytes, limit) : inflateRawSync(bytes, limit);
};

const decompressions = new Map<string, Decompress>([
  ['gzip', gunzipSync],
  ['x-gzip', gunzipSync],
  ['deflate', inflate],
  ['br', brotliDecompressSync],
]);
/** Nobody compresses more often; each one costs work. */
const maxCodings = 2;

/** undefined: it cannot be undone. */
function decompressed(raw: Uint8Array, headers: HeaderMap, maxBytes: number): Uint8Array | undefined {
  const codings = one(headers['content-encoding'])
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity');
  if (codings.length > maxCodings) return undefined;
  try {
    let bytes = raw;
    for (const coding of codings.reverse()) {
      const undo = decompressions.get(coding);
      if (undo === undefined) return undefined;
      bytes = undo(bytes, { maxOutputLength: maxBytes });
    }
    return bytes;
  } catch {
    return undefined;
  }
}

/** Encodings by which the bytes of JSON's own syntax are those of ASCII. */
const encodings = new Set(['utf-8', 'windows-1252']);
/** ASCII is read as its superset UTF-8, not as windows-1252, which `TextDecoder` takes it for. */
const ascii = /^(?:us-)?ascii$|^ansi_x3\.4-1968$/;

/** The encoding that a charset names, by any of its names on the Web; undefined: it is another, or none. */
function encodingOf(charset: string): string | undefined {
  if (charset === '' || charset === 'utf_8' || ascii.test(charset)) return 'utf-8';
  try {
    const { encoding } = new TextDecoder(charset);
    return encodings.has(encoding) ? encoding : undefined;
  } catch {
    return undefined;
  }
}

const hasMark = ([a, b, c]: Uint8Array): boolean => a === 0xef && b === 0xbb && c === 0xbf;

/** The text without what may stand around JSON; undefined: it is in another charset, or in none. */
function decoded(bytes: Uint8Array, headers: HeaderMap): string | undefined {
  const named = /;\s*charset\s*=\s*["']?([^"';\s,]*)/.exec(one(headers['content-type']))?.[1] ?? '';
  const charset = hasMark(bytes) ? 'utf-8' : encodingOf(named);
  if (charset === undefined) return undefined;
  let end = bytes.length;
  while (end > 0 && isPadding(bytes[end - 1])) end -= 1;
  try {
    // The decoder leaves out the mark.
    return new TextDecoder(charset, { fatal: true }).decode(bytes.subarray(0, end));
  } catch {
    return undefined;
  }
}

const isPadding = (byte: number | undefined): boolean =>
  byte === 0 || byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
