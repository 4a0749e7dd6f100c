import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Decision } from '../../../src/core/decision.ts';
import { parseJson, readJson, type JsonBody } from '../../../src/http/body.ts';

const maxJsonBytes = 64 * 1024;
const bytes = (text: string): Buffer => Buffer.from(text);

describe('JSON that must be judged', () => {
  test.each([
    ['{"status":"recording"}', { status: 'recording' }],
    [' \r\n\t{ "status" : "recording" }\n', { status: 'recording' }],
    ['{}', {}],
    ['{"a":{"status":1},"b":{"status":2},"status":3}', { a: { status: 1 }, b: { status: 2 }, status: 3 }],
    ['{"a":[{"status":1},{"status":2}]}', { a: [{ status: 1 }, { status: 2 }] }],
    ['{"a":"\\"a\\":1,\\"a\\":2"}', { a: '"a":1,"a":2' }],
    ['{"\\u0073tatus":"recording"}', { status: 'recording' }],
    ['{"clientContext":"é€\u{1F4A1}"}', { clientContext: 'é€\u{1F4A1}' }],
  ])('may be %s', (text, value) => {
    expect(parseJson(bytes(text))).toEqual({ ok: true, value });
  });

  test.each([
    ['{"status":"notRecording","status":"recording"}', 'status'],
    ['{"status":"recording","status":"recording"}', 'status'],
    ['{"status":"notRecording","Status":"recording"}', 'Status'],
    ['{"status":"notRecording","STATUS":"recording"}', 'STATUS'],
    ['{"status":"notRecording","\\u0073tatus":"recording"}', 'status'],
    ['{"\\u0053tatus":"notRecording","s\\u0074atus":"recording"}', 'status'],
    ['{"status":"notRecording","a":{"b":[1,{}]},"status":"recording"}', 'status'],
    ['{"a":{"b":1,"b":2}}', 'b'],
    ['{"a":[0,[{"b":1,"B":2}]]}', 'B'],
    ['{"":1,"":2}', ''],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    ['{"\\u00e9":1,"é":2}', 'é'],
    [`{"${'a'.repeat(100)}":1,"${'a'.repeat(100)}":2}`, 'a'.repeat(64)],
  ])('may not hold a key twice: %s', (text, key) => {
    const decision = parseJson(bytes(text));
    expect(decision).toRefuse('BodyInvalid');
    expect(decision).toMatchObject({ detail: `the key "${key}" is repeated` });
  });

  test.each([
    ['nothing', bytes('')],
    ['only space', bytes('  ')],
    ['a byte order mark', bytes('\uFEFF{}')],
    ['UTF-16', Buffer.from('{}', 'utf16le')],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0x61, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['overlong UTF-8', Buffer.concat([bytes('{"a":"'), Buffer.from([0xc0, 0xa2]), bytes('"}')])],
    ['a cut UTF-8 sequence', Buffer.concat([bytes('{"a":"'), Buffer.from([0xe2, 0x82]), bytes('"}')])],
    ['a surrogate in UTF-8', Buffer.concat([bytes('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), bytes('"}')])],
    ['two values', bytes('{}{}')],
    ['something after the value', bytes('{"status":"recording"}x')],
    ['a NUL after the value', bytes('{}\0')],
    ['a comment', bytes('{/* */}')],
    ['a line comment', bytes('{}// x')],
    ['a trailing comma', bytes('{"a":1,}')],
    ['single quotes', bytes("{'a':1}")],
    ['a bare key', bytes('{a:1}')],
    ['NaN', bytes('{"a":NaN}')],
    ['a leading zero', bytes('{"a":01}')],
    ['a raw line feed in a text', bytes('{"a":"\n"}')],
    ['an unknown escape', bytes('{"a":"\\x41"}')],
    ['a no-break space', bytes('\u00a0{}')],
    ['a value that is cut short', bytes('{"status":"recording"')],
    ['a form', bytes('status=recording')],
    ['a list', bytes('[{"status":"recording"}]')],
    ['an empty list', bytes('[]')],
    ['a text', bytes('"recording"')],
    ['a number', bytes('2')],
    ['true', bytes('true')],
    ['null', bytes('null')],
  ])('may not be %s', (_what, raw) => {
    expect(parseJson(raw)).toRefuse('BodyInvalid');
  });

  test.each([
    ['lists', `{"a":${'['.repeat(60_000)}${']'.repeat(60_000)}}`],
    ['objects', '{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000)],
    ['lists that never end', `{"a":${'['.repeat(60_000)}`],
    ['objects that never end', '{"a":'.repeat(13_000)],
  ])('is refused, not thrown at, if it is deeply nested: %s', (_what, text) => {
    const decision = parseJson(bytes(text));
    expect(decision.ok ? 'granted' : decision.reason).toBe('BodyInvalid');
  });

  test.each([
    ['lists', '[', ']'],
    ['objects', '{"a":', '}'],
  ])('may be nested 64 levels deep, not 65: %s', (_what, open, close) => {
    const nested = (levels: number): Buffer => bytes(`{"a":${open.repeat(levels)}1${close.repeat(levels)}}`);
    expect(parseJson(nested(63))).toMatchObject({ ok: true });
    expect(parseJson(nested(64))).toMatchObject({ ok: false, detail: 'it is nested deeper than 64 levels' });
    expect(parseJson(bytes(`{"a":[${`${open}1${close},`.repeat(100)}1]}`))).toMatchObject({ ok: true });
  });

  test('gives what JSON.parse gives, or a refusal, and never a key twice', () => {
    const key = fc.constantFrom('status', 'Status', '\\u0073tatus', 'clientContext', 'a');
    const pair = fc.tuple(key, fc.constantFrom('1', '"x"', '{"a":1}', '[]'));
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 5 }), (pairs) => {
        const text = `{${pairs.map(([name, value]) => `"${name}":${value}`).join(',')}}`;
        const folded = pairs.map(([name]) => name.replace('\\u0073', 's').toLowerCase());
        const decision = parseJson(bytes(text));
        if (new Set(folded).size < folded.length) expect(decision).toRefuse('BodyInvalid');
        else expect(decision).toEqual({ ok: true, value: JSON.parse(text) as unknown });
      }),
    );
  });

  test('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string().map(bytes), fc.json().map(bytes)), (raw) => {
        expect(typeof parseJson(raw).ok).toBe('boolean');
      }),
    );
  });
});

const closing: (() => Promise<unknown>)[] = [];
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

/** A server that reads one body, and a socket that can send it anything. */
async function reader(withinMs = 10_000): Promise<{ socket: Socket; decision: Promise<Decision<JsonBody>> }> {
  const server = createServer({ requestTimeout: 0, headersTimeout: 0 });
  const decision = new Promise<Decision<JsonBody>>((resolve, reject) => {
    server.on('request', (req: IncomingMessage, res) => {
      readJson(req, { maxBytes: maxJsonBytes, withinMs })
        .then(resolve, reject)
        .finally(() => res.end());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  // Whoever cuts the connection first, the other side sees an error.
  socket.on('error', () => socket.destroy()).resume();
  closing.push(async () => {
    socket.destroy();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  await once(socket, 'connect');
  return { socket, decision };
}

const head = (...headers: string[]): string =>
  ['POST / HTTP/1.1', 'Host: localhost', ...headers, '', ''].join('\r\n');

async function read(headers: string[], body: Buffer | string): Promise<Decision<JsonBody>> {
  const { socket, decision } = await reader();
  socket.write(head(...headers, `Content-Length: ${Buffer.byteLength(body)}`));
  socket.write(body);
  return decision;
}

const json = 'Content-Type: application/json';
const status = '{ "status":"recording" }';

describe('reading a body', () => {
  test('gives its value, and its bytes as they came', async () => {
    expect(await read([json], status)).toEqual({
      ok: true,
      value: { value: { status: 'recording' }, raw: bytes(status) },
    });
  });

  test.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset=UTF-8',
    'application/json; charset="utf-8"',
    'application/json;charset=utf8',
    'application/json ; odata.metadata=minimal; charset=utf-8',
    'application/json;IEEE754Compatible=true',
  ])('takes the content type %s', async (type) => {
    expect(await read([`Content-Type: ${type}`], status)).toMatchObject({ ok: true });
  });

  test.each([
    'text/plain',
    'text/json',
    'application/jsonx',
    'application/problem+json',
    'application/x-www-form-urlencoded',
    'application/json, text/plain',
    'text/plain;a=application/json',
    'application/json;charset=utf-7',
    'application/json; charset=utf-16',
    'application/json; charset="iso-8859-1"',
    'application/json; charset=utf-8; charset=utf-7',
    "application/json; charset*=us-ascii''utf-7",
    'application/json; CHARSET=ibm037',
    ';application/json',
  ])('refuses the content type %s', async (type) => {
    expect(await read([`Content-Type: ${type}`], status)).toRefuse('ContentTypeUnsupported');
  });

  test('refuses a body without a content type', async () => {
    expect(await read([], status)).toRefuse('ContentTypeUnsupported');
  });

  test.each(['gzip', 'deflate', 'br', 'identity, gzip', 'x-unknown'])(
    'refuses the content encoding %s',
    async (how) => {
      expect(await read([json, `Content-Encoding: ${how}`], gzipSync(status))).toRefuse(
        'ContentEncodingUnsupported',
      );
    },
  );

  test('takes the content encoding identity', async () => {
    expect(await read([json, 'Content-Encoding: identity'], status)).toMatchObject({ ok: true });
  });

  test('refuses no body at all', async () => {
    expect(await read([json], '')).toRefuse('BodyInvalid');
  });

  test('refuses a key that is there twice', async () => {
    expect(await read([json], '{"status":"failed","Status":"recording"}')).toRefuse('BodyInvalid');
  });
});

/** A JSON object of exactly so many bytes. */
const sized = (size: number): string => `{"a":"${'x'.repeat(size - 8)}"}`;
const chunkOf = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

describe('a body of 64 KiB', () => {
  test('is read with a content length, one byte more is not', async () => {
    expect(await read([json], sized(maxJsonBytes))).toMatchObject({ ok: true });
    const { socket, decision } = await reader();
    // Nothing of the body is sent: the length alone decides.
    socket.write(head(json, `Content-Length: ${maxJsonBytes + 1}`));
    expect(await decision).toRefuse('BodyTooLarge');
  });

  test.each([
    [0, true],
    [1, false],
  ])('is read in chunks, one byte more is not: +%d', async (more, ok) => {
    const { socket, decision } = await reader();
    socket.write(head(json, 'Transfer-Encoding: chunked'));
    const text = sized(maxJsonBytes + more);
    socket.write(chunkOf(text.slice(0, 40_000)) + chunkOf(text.slice(40_000)) + '0\r\n\r\n');
    const read = await decision;
    if (ok) expect(read).toMatchObject({ ok });
    else expect(read).toRefuse('BodyTooLarge');
  });

  test('is refused as soon as it is too large, though it never ends', async () => {
    const { socket, decision } = await reader();
    socket.write(head(json, 'Transfer-Encoding: chunked') + chunkOf(sized(maxJsonBytes + 1)));
    expect(await decision).toRefuse('BodyTooLarge');
  });
});

describe('a body that does not come', () => {
  test.each([
    ['with a content length', `Content-Length: ${status.length}`, status.slice(0, -2)],
    ['in chunks', 'Transfer-Encoding: chunked', chunkOf(status)],
    ['before its first byte', `Content-Length: ${status.length}`, ''],
  ])('to its end is refused: cut short %s', async (_what, how, part) => {
    const { socket, decision } = await reader();
    socket.write(head(json, how) + part);
    socket.end();
    expect(await decision).toRefuse('BodyIncomplete');
  });

  test.each([
    ['nothing of it', ''],
    ['all but its end', status.slice(0, -1)],
  ])('in time is refused: %s came', async (_what, part) => {
    const { socket, decision } = await reader(50);
    socket.write(head(json, `Content-Length: ${status.length}`) + part);
    expect(await decision).toRefuse('BodyTimeout');
  });
});
