import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { readGraphJson } from '../../../../src/core/graph/read-json.ts';

const value = { id: 'op', status: 'completed', note: 'Grüße' };
const plain = Buffer.from(JSON.stringify(value));
const mark = Buffer.from([0xef, 0xbb, 0xbf]);
const maxBytes = 4096;

const read = (
  raw: Uint8Array,
  headers: Record<string, string | string[]> = {},
  decides = true,
): ReturnType<typeof readGraphJson> => readGraphJson(raw, headers, { maxBytes, decides });
const readable = { readable: true, value };

describe('JSON of Graph is read', () => {
  test.each<[string, Uint8Array, Record<string, string | string[]>]>([
    ['plain', plain, { 'content-type': 'application/json' }],
    ['without a content type', plain, {}],
    ['as plain text', plain, { 'content-type': 'text/plain' }],
    ['with parameters of OData', plain, { 'content-type': 'application/json;odata.metadata=minimal; x=y' }],
    ...[
      ...['utf-8', 'UTF-8', 'utf8', '"utf-8"', "'utf-8'", '"UTF8"', ' utf-8 ', 'us-ascii'],
      ...['UTF_8', 'unicode-1-1-utf-8', 'ASCII', 'ANSI_X3.4-1968'],
    ].map((charset): [string, Uint8Array, Record<string, string>] => [
      `in the charset ${charset}`,
      plain,
      { 'content-type': `application/json; odata=verbose; Charset=${charset}` },
    ]),
    ['with a byte order mark', Buffer.concat([mark, plain]), {}],
    [
      'with a byte order mark, whatever charset is named',
      Buffer.concat([mark, plain]),
      { 'content-type': 'application/json; charset=iso-8859-1' },
    ],
    ...['ISO-8859-1', 'latin1', 'ISO_8859-1', 'iso8859-1', 'windows-1252', 'cp1252'].map(
      (charset): [string, Uint8Array, Record<string, string>] => [
        `in Latin 1, as ${charset}`,
        Buffer.from(JSON.stringify(value), 'latin1'),
        { 'content-type': `a/b; charset=${charset}` },
      ],
    ),
    ['with blanks and NULs behind it', Buffer.concat([plain, Buffer.from(' \r\n\t\0\0\n\0')]), {}],
    ['with blanks before it', Buffer.concat([Buffer.from(' \r\n\t'), plain]), {}],
    ['by gzip', gzipSync(plain), { 'content-encoding': 'gzip' }],
    ['by gzip of old', gzipSync(plain), { 'content-encoding': 'X-GZip' }],
    ['by deflate', deflateSync(plain), { 'content-encoding': 'deflate' }],
    ['by what some call deflate', deflateRawSync(plain), { 'content-encoding': 'deflate' }],
    ['by Brotli', brotliCompressSync(plain), { 'content-encoding': 'br' }],
    ['by nothing that says so', plain, { 'content-encoding': 'identity' }],
    ['twice', brotliCompressSync(gzipSync(plain)), { 'content-encoding': 'gzip, identity, br' }],
    ['twice, in two lines', brotliCompressSync(gzipSync(plain)), { 'content-encoding': ['gzip', 'br'] }],
    [
      'by gzip, with a mark and NULs within',
      gzipSync(Buffer.concat([mark, plain, Buffer.from('\0')])),
      { 'content-encoding': 'gzip' },
    ],
  ])('%s', (_, raw, headers) => {
    expect(read(raw, headers)).toEqual(readable);
  });
});

describe('nothing is read, and no fault is made, of', () => {
  const utf16 = Buffer.from(`\ufeff${JSON.stringify(value)}`, 'utf16le');
  const bomb = Buffer.alloc(50 * 1024 * 1024, ' ');
  test.each<[string, Uint8Array, Record<string, string>]>([
    ['nothing', Buffer.alloc(0), {}],
    ['a mark alone', mark, {}],
    ['a page', Buffer.from('<html>Gateway Timeout</html>'), { 'content-type': 'text/html' }],
    ['two values', Buffer.concat([plain, plain]), {}],
    ['half a value', plain.subarray(0, 20), {}],
    ['two marks', Buffer.concat([mark, mark, plain]), {}],
    ['UTF-16', utf16, {}],
    ['UTF-16 that says so', utf16, { 'content-type': 'application/json; charset=utf-16' }],
    ['UTF-16 in the other order', Buffer.from(utf16).swap16(), {}],
    ['UTF-16 without a mark', utf16.subarray(2), {}],
    ['what says that it is UTF-16', plain, { 'content-type': 'application/json; charset=utf-16le' }],
    ['what is no UTF-8', Buffer.from('7b2261223a22c328227d', 'hex'), {}],
    ['a compression that is not known', plain, { 'content-encoding': 'zstd' }],
    ['compression upon compression', plain, { 'content-encoding': 'gzip, gzip, gzip' }],
    ['half a gzip', gzipSync(plain).subarray(0, 20), { 'content-encoding': 'gzip' }],
    ['a gzip that is none', plain, { 'content-encoding': 'gzip' }],
    ['a gzip that does not say so', gzipSync(plain), {}],
    ['a bomb of gzip', gzipSync(bomb), { 'content-encoding': 'gzip' }],
    ['a bomb of deflate', deflateSync(bomb), { 'content-encoding': 'deflate' }],
    ['a bomb of Brotli', brotliCompressSync(bomb), { 'content-encoding': 'br' }],
    ['a bomb in a bomb', gzipSync(gzipSync(bomb)), { 'content-encoding': 'gzip, gzip' }],
  ])('%s', (_, raw, headers) => {
    expect(read(raw, headers)).toEqual({ readable: false, why: expect.stringMatching(/^it/) });
  });
});

describe('where something is decided by it', () => {
  test.each([
    ['a key twice', '{"status":"failed","status":"completed"}'],
    ['a key twice within', '{"a":[{"b":{"c":1,"c":2}}]}'],
    ['a key twice, once escaped', '{"status":"failed","st\\u0061tus":"completed"}'],
    ['a value that is too deep', `{"a":${'['.repeat(100)}${']'.repeat(100)}}`],
    ['a value that is far too deep', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ])('%s tells nothing', (_, text) => {
    const raw = Buffer.from(text);
    const large = { maxBytes: 1024 * 1024 };
    expect(readGraphJson(raw, {}, { ...large, decides: true })).toMatchObject({ readable: false });
    expect(readGraphJson(raw, {}, { ...large, decides: false })).toMatchObject({ readable: true });
  });

  test('keys that differ in their letter case, and annotations, are keys like others', () => {
    expect(read(Buffer.from('{"a":1,"A":2,"a@odata.type":"x"}'))).toMatchObject({ readable: true });
  });
});
