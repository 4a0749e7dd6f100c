import { gzipSync } from 'node:zlib';
import type { OutgoingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { json, openRaw, send, type Answer, type RawConnection } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
let token: string;
let call: string;
let before: number;
const resources = (): number =>
  process.getActiveResourcesInfo().filter((name) => /^TCP|^Timeout$/.test(name)).length;

beforeAll(async () => {
  before = resources();
  world = await startWorld();
  token = await world.mint.mint();
});
beforeEach(() => {
  call = world.graph.incomingCall({ answered: true });
});

/** Still serves, left no socket and no timer behind, and its evidence is whole. */
afterAll(async () => {
  const bot = await world.bot();
  expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
  expect((await bot.upload('last', 1)).status).toBe(201);
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
  await eventually(() => resources() <= before, { what: 'the end of every socket and timer' });
});

const path = (): string => `/v1.0/communications/calls/${call}/updateRecordingStatus`;
const start = (body: string | Buffer, headers: OutgoingHttpHeaders = {}): Promise<Answer> =>
  send(world.proxy.url, {
    method: 'POST',
    path: path(),
    token,
    body,
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
  });

async function refused(asking: Promise<Answer | undefined>, status: number, reason: string): Promise<Answer> {
  const before = world.graph.log.length;
  const answer = await asking;
  expect(answer?.headers['tallylight-reason']).toBe(reason);
  expect(answer?.status).toBe(status);
  expect(JSON.parse(answer?.body ?? '')).toMatchObject({ error: { code: reason } });
  expect(world.graph.log.slice(before)).toEqual([]);
  return answer!;
}

describe('a status', () => {
  test.each([
    'unknown',
    'unknownFutureValue',
    'recording ',
    ' recording',
    'recordıng',
    'not_recording',
    'notRecording | recording | failed',
    'recording\0',
    '',
    '2',
    0,
    1,
    2,
    true,
    null,
    ['recording'],
    { value: 'recording' },
    undefined,
  ])('of %j is none of the three', async (status) => {
    await refused(start(JSON.stringify({ status })), 400, 'StatusInvalid');
  });

  test.each([
    ['Recording', 'NotRecording'],
    ['RECORDING', 'FAILED'],
    ['rEcOrDiNg', 'notrecording'],
  ])('may be spelled %s and %s', async (starts, stops) => {
    expect((await start(JSON.stringify({ status: starts }))).headers['tallylight-gate']).toBe('open');
    expect(world.graph.recordingState(call)).toBe('recording');
    expect((await start(JSON.stringify({ status: stops }))).headers['tallylight-gate']).toBe('closed');
    expect(world.graph.recordingState(call)?.toLowerCase()).toBe(stops.toLowerCase());
  });

  test('of another key is not read', async () => {
    await refused(start('{"Status":"recording"}'), 400, 'BodyInvalid');
  });
});

describe('a body', () => {
  test.each<[string, string | Buffer]>([
    ['that is empty', ''],
    ['that is a form', 'status=recording'],
    ['that is cut', '{"status":"recording"'],
    ['that goes on', '{"status":"recording"}}'],
    ['with two values', '{"status":"recording"}{"status":"notRecording"}'],
    ['that is a list', '[{"status":"recording"}]'],
    ['that is a string', '"recording"'],
    ['that is null', 'null'],
    ['with a comma too many', '{"status":"recording",}'],
    ['with a comment', '{"status":"recording"/**/}'],
    ['with single quotes', "{'status':'recording'}"],
    ['with a byte order mark', '\ufeff{"status":"recording"}'],
    ['in UTF-16', Buffer.from('{"status":"recording"}', 'utf16le')],
    ['that is not UTF-8', Buffer.from('7b22737461747573223a227265636f7264696e67222c22c328223a317d', 'hex')],
    ['with a key twice', '{"status":"recording","status":"notRecording"}'],
    ['with a key twice and alike', '{"status":"recording","status":"recording"}'],
    ['with a key twice in other letter case', '{"status":"recording","Status":"notRecording"}'],
    ['with a key twice, once escaped', '{"status":"recording","st\\u0061tus":"notRecording"}'],
    ['with an unknown key', '{"status":"recording","recordingStatus":"notRecording"}'],
    ['with a prototype', '{"status":"recording","__proto__":{"status":"notRecording"}}'],
    ['with a deep value', `{"status":"recording","@odata.x":${'['.repeat(500)}${']'.repeat(500)}}`],
    [
      'with a clientContext of 257 characters',
      JSON.stringify({ status: 'recording', clientContext: 'c'.repeat(257) }),
    ],
    ['with a clientContext that is a number', '{"status":"recording","clientContext":7}'],
  ])('%s is refused', async (_, body) => {
    await refused(start(body), 400, 'BodyInvalid');
  });

  test('with a clientContext of 256 characters passes as it is', async () => {
    const body = `{ "clientContext": "${'c'.repeat(256)}" , "@odata.type": "#x", "status" :"recording"}`;
    expect((await start(body)).headers['tallylight-gate']).toBe('open');
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/json-patch+json',
    'application/json; charset=utf-16',
    'application/json; charset=utf-7',
    'multipart/mixed; boundary=x',
    '',
  ])('of type "%s" is refused', async (type) => {
    await refused(start('{"status":"recording"}', { 'content-type': type }), 415, 'ContentTypeUnsupported');
  });

  test('without a type is refused', async () => {
    const body = '{"status":"recording"}';
    await refused(
      send(world.proxy.url, { method: 'POST', path: path(), token, body }),
      415,
      'ContentTypeUnsupported',
    );
  });

  test.each(['application/json;charset=UTF-8', 'Application/JSON; odata.metadata=minimal; charset="utf-8"'])(
    'of type "%s" passes',
    async (type) => {
      expect(
        (await start('{"status":"recording"}', { 'content-type': type })).headers['tallylight-gate'],
      ).toBe('open');
    },
  );

  test.each(['gzip', 'br', 'deflate, gzip', 'GZIP'])(
    'encoded with %s is refused: it has to be judged',
    async (encoding) => {
      const body = gzipSync('{"status":"recording"}');
      await refused(start(body, { 'content-encoding': encoding }), 415, 'ContentEncodingUnsupported');
    },
  );

  test('of 64 KiB passes, and one byte more is refused', async () => {
    const body = '{"status":"recording"}';
    await refused(start(body + ' '.repeat(64 * 1024 + 1 - body.length)), 413, 'BodyTooLarge');
    expect((await start(body + ' '.repeat(64 * 1024 - body.length))).headers['tallylight-gate']).toBe('open');
  });

  test('of 65 KiB in chunks is refused', async () => {
    const body = `{"status":"recording"}${' '.repeat(65 * 1024)}`;
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    await refused(
      send(world.proxy.url, { method: 'POST', path: path(), token, body, headers }),
      413,
      'BodyTooLarge',
    );
  });

  test('without end is refused, and its connection is ended', async () => {
    const connection = openStart('Transfer-Encoding: chunked\r\n');
    const chunk = `1000\r\n${' '.repeat(4096)}\r\n`;
    const pump = (): void => {
      while (!connection.socket.destroyed && connection.socket.write(chunk)) continue;
    };
    connection.socket.on('drain', pump);
    pump();
    await refused(connection.answer, 413, 'BodyTooLarge');
    await connection.closed;
  });

  function openStart(headers: string): RawConnection {
    const connection = openRaw(world.proxy.url);
    connection.write(
      `POST ${path()} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n` +
        `Content-Type: application/json\r\n${headers}\r\n`,
    );
    return connection;
  }

  test('that is cut short is no start, even if what came is one', async () => {
    const log = world.graph.log.length;
    const timers = resources();
    // One that was not seen before: the connection has ended before the body is asked for.
    token = await world.mint.mint({ jti: call });
    const connection = openStart('Content-Length: 100\r\n');
    connection.socket.end('{"status":"recording"}');
    const answer = await connection.answer;
    if (answer !== undefined) expect(answer.status).toBe(400);
    await connection.closed;
    await eventually(() => resources() <= timers, { withinMs: 5000, what: 'the end of every timer' });
    expect(world.graph.log.slice(log)).toEqual([]);
    expect(world.graph.recordingState(call)).toBe('notRecording');
  });

  test('that never comes is given up after its time', async () => {
    const connection = openStart('Content-Length: 22\r\n');
    connection.write('{"status":"recording"');
    await refused(connection.answer, 408, 'BodyTimeout');
    connection.destroy();
  });
});

describe('a refusal', () => {
  test('is in Graph’s own envelope, with the ids that both sides can look for', async () => {
    const answer = await refused(start('{}', { 'client-request-id': 'abc-123' }), 400, 'StatusInvalid');
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['client-request-id']).toBe('abc-123');
    const { error } = JSON.parse(answer.body) as {
      error: { message: string; innerError: Record<string, string> };
    };
    expect(error.message.length).toBeGreaterThan(10);
    expect(error.innerError['client-request-id']).toBe('abc-123');
    expect(error.innerError['request-id']).toBe(answer.headers['request-id']);
    expect(error.innerError.date).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/);
  });

  test('does not repeat a correlation id that is too long', async () => {
    const answer = await refused(start('{}', { 'client-request-id': 'x'.repeat(129) }), 400, 'StatusInvalid');
    expect(answer.headers['client-request-id']).toBeUndefined();
  });

  test('never repeats the body or the token', async () => {
    const answer = await refused(start('{"status":"my secret"}'), 400, 'StatusInvalid');
    expect(JSON.stringify(answer)).not.toMatch(/my secret|eyJ/);
  });

  test('leaves the connection usable where the body was read', async () => {
    const connection = openRaw(world.proxy.url);
    const one = (body: string): string =>
      `POST ${path()} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`;
    connection.write(one('{"status":"unknown"}') + one('{"status":"recording"}'));
    expect((await connection.answer)?.status).toBe(400);
    await eventually(() => world.graph.recordingState(call) === 'recording');
    connection.destroy();
    await connection.closed;
  });
});

test('other bodies of signalling are passed without a look', async () => {
  const other = await send(world.proxy.url, {
    method: 'POST',
    path: `/v1.0/communications/calls/${call}/playPrompt`,
    token,
    ...json('{"status":"recording","status":"x"}'),
  });
  expect(other.status).toBe(200);
});
