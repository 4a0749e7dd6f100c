import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'undici';
import { frameOf, opcodes } from '../../../src/core/http/websocket.ts';
import { defaultLimits } from '../../../src/settings/limits.ts';
import { acceptWebSocket } from '../../../src/sandbox/websocket-handler.ts';
import { openStream, type Refused, type Stream } from '../../../src/sandbox/bot/websocket-client.ts';
import { eventually } from '../../support/eventually.ts';
import { openRaw, send } from '../../support/raw-http.ts';
import {
  plainFrame,
  startStreamHandler,
  type HeldStream,
  type StreamHandler,
} from '../../support/stream-handler.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
let handler: StreamHandler;
let token: string;
beforeAll(async () => {
  handler = await startStreamHandler();
  world = await startWorld({
    settings: ({ sink }) => ({
      mediaRoutes: [
        { path: '/media/{callId}/*', upstream: sink.url, methods: ['POST'], reads: 'pass', websocket: true },
        { path: '/live/{callId}', upstream: handler.url, methods: [], reads: 'refuse', websocket: true },
        {
          path: '/below/{callId}',
          upstream: `${handler.url}/base`,
          methods: [],
          reads: 'pass',
          websocket: true,
        },
        { path: '/plain/{callId}', upstream: handler.url, methods: ['POST'], reads: 'pass' },
        {
          path: '/dead/{callId}',
          upstream: 'http://127.0.0.1:1',
          methods: ['POST'],
          reads: 'pass',
          websocket: true,
        },
      ],
      limits: { ...defaultLimits, maxUploadsPerCall: 2, mediaIdleMs: 4000 },
    }),
  });
  token = await world.mint.mint();
});
afterAll(async () => {
  await world.close();
  await handler.close();
});
afterEach(() => {
  handler.onUpgrade = acceptWebSocket;
  handler.answersClose = true;
});

const recordingCall = async (): Promise<string> => {
  const bot = await world.bot();
  expect((await bot.report('recording')).status).toBe(200);
  return bot.call;
};
const open = (path: string, headers = {}): Stream => openStream(world.proxy.url + path, { token, headers });
const refusalOf = ({ opened }: Stream): Promise<Refused | undefined> =>
  opened.then(
    () => undefined,
    (error: unknown) => (error as Error).cause as Refused,
  );
const last = (): HeldStream => handler.streams.at(-1)!;
const metric = async (line: string): Promise<number> => {
  const { body } = await send(world.proxy.adminUrl, { path: '/metrics' });
  return Number(
    body
      .split('\n')
      .find((one) => one.startsWith(`${line} `))
      ?.slice(line.length + 1) ?? 0,
  );
};

describe('a WebSocket', () => {
  test('is admitted, passed frame by frame in both directions, and closed by both sides', async () => {
    const call = await recordingCall();
    const before = await metric('tallylight_websocket_frames_total{direction="toHandler"}');
    const stream = open(`/live/${call}`);
    await stream.opened;
    const held = last();
    stream.send('{"kind":"AudioMetadata"}');
    stream.send(Buffer.alloc(640, 'a'));
    stream.write(frameOf(opcodes.ping, Buffer.from('are you there'), Buffer.alloc(4)));
    await eventually(() => held.frames.length === 3);
    held.socket.write(plainFrame(opcodes.text, '{"kind":"StopAudio"}'));
    held.socket.write(plainFrame(opcodes.binary, 'x'.repeat(70_000)));
    await eventually(() => stream.messages.length === 2);
    stream.close(1000);
    expect(await stream.over).toEqual({ code: 1000, reason: '' });
    expect(held.frames.map(({ opcode, payload }) => [opcode, payload.length])).toEqual([
      [opcodes.text, 24],
      [opcodes.binary, 640],
      [opcodes.ping, 13],
      [opcodes.close, 2],
    ]);
    expect(stream.messages.map(String)).toEqual(['{"kind":"StopAudio"}', 'x'.repeat(70_000)]);
    await eventually(
      async () => (await metric('tallylight_websocket_frames_total{direction="toHandler"}')) === before + 4,
    );
  });

  test('of a client library is stored by the sink, in one file', async () => {
    const call = await recordingCall();
    const socket = new WebSocket(`${world.proxy.url.replace('http', 'ws')}/media/${call}/audio`, {
      headers: { authorization: `Bearer ${token}` },
      protocols: ['pcm', 'json'],
    });
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    });
    expect([socket.protocol, socket.extensions]).toEqual(['pcm', '']);
    for (let frame = 0; frame < 50; frame++) socket.send(Buffer.alloc(640, frame));
    const closed = new Promise<{ code: number; wasClean: boolean }>((resolve) =>
      socket.addEventListener('close', resolve),
    );
    socket.close(1000);
    expect(await closed).toMatchObject({ code: 1000, wasClean: true });
    const [write] = world.sink.received.filter(({ callId }) => callId === call);
    expect(write).toMatchObject({ bytes: 32_000, complete: true });
  });

  test('reaches its handler with the path that was judged and the facts, without extensions and the token', async () => {
    const call = await recordingCall();
    const stream = open(`//below/./${call}?a=1`, {
      'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
      'sec-websocket-protocol': 'pcm, json',
      origin: 'https://bot.example',
      'x-trace': 'kept',
      'x-hop': 'dropped',
      connection: 'Upgrade, X-Hop',
      'tallylight-call': 'forged',
    });
    const answered = await stream.opened;
    const { url, headers } = last().req;
    expect(url).toBe(`/base/below/${call}?a=1`);
    expect(headers).toMatchObject({
      connection: 'upgrade',
      upgrade: 'websocket',
      origin: 'https://bot.example',
      'sec-websocket-protocol': 'pcm, json',
      'sec-websocket-version': '13',
      'x-trace': 'kept',
      'tallylight-call': call,
      'tallylight-epoch': expect.stringMatching(/^\d+$/),
    });
    expect(Object.keys(headers)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(?:sec-websocket-extensions|authorization|x-hop)$/)]),
    );
    expect(answered['sec-websocket-protocol']).toBe('pcm');
    expect(answered['sec-websocket-extensions']).toBeUndefined();
    stream.close();
    await stream.over;
  });

  test('whose frames come before the 101 sends nothing to the handler until then', async () => {
    const call = await recordingCall();
    let accept: () => void = () => undefined;
    handler.onUpgrade = (req, socket) => {
      accept = () => acceptWebSocket(req, socket);
    };
    const count = handler.streams.length;
    const connection = openRaw(world.proxy.url);
    const lines = [
      'Host: proxy',
      `Authorization: Bearer ${token}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
    ];
    const key = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
    const early = frameOf(opcodes.text, Buffer.from('early'), Buffer.alloc(4));
    connection.write(`GET /live/${call} HTTP/1.1\r\n${[...lines, ...key].join('\r\n')}\r\n\r\n`);
    connection.write(early);
    await eventually(() => handler.streams.length > count);
    connection.write(early);
    expect(last().received).toHaveLength(0);
    accept();
    expect(await connection.until(/\r\n\r\n/)).toMatch(
      /^HTTP\/1\.1 101 Switching Protocols\r\n[^]*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i,
    );
    await eventually(() => last().frames.length === 2);
    connection.destroy();
    await eventually(() => last().ended);
  });

  test('that begins with the 101 loses nothing of either side', async () => {
    const call = await recordingCall();
    handler.onUpgrade = (req, socket) => {
      socket.cork();
      acceptWebSocket(req, socket);
      socket.write(plainFrame(opcodes.text, 'welcome'));
      socket.uncork();
    };
    const stream = open(`/live/${call}`);
    await eventually(() => stream.messages.length === 1);
    expect(String(stream.messages[0])).toBe('welcome');
    stream.close();
    await stream.over;
  });
});

describe('an upgrade', () => {
  const good = (call: string): string => `/live/${call}`;
  const cases: readonly [string, (call: string) => string, object, number, string][] = [
    ['without a token', good, { authorization: '' }, 401, 'TokenMissing'],
    ['with a bad token', good, { authorization: 'Bearer x' }, 401, 'TokenInvalid'],
    ['for no call', () => '/live/everything', {}, 400, 'CallIdInvalid'],
    ['for a call that is not recorded', () => `/live/${randomUUID()}`, {}, 403, 'RecordingNotActive'],
    ['in an old version', good, { 'sec-websocket-version': '8' }, 426, 'UpgradeRequired'],
    ['without a key', good, { 'sec-websocket-key': '' }, 400, 'UpgradeInvalid'],
    ['with a body', good, { 'content-length': '5' }, 400, 'UpgradeInvalid'],
    ['to one of two protocols', good, { upgrade: 'websocket, h2c' }, 501, 'UpgradeRefused'],
    ['on a route that has none', (call) => `/plain/${call}`, {}, 501, 'UpgradeRefused'],
    ['on a path that is no route', (call) => `/else/${call}`, {}, 501, 'UpgradeRefused'],
    ['on a path that climbs', () => '/live/a%2fb', {}, 501, 'UpgradeRefused'],
    ['to a handler that is down', (call) => `/dead/${call}`, {}, 502, 'UpstreamUnreachable'],
  ];
  test.each(cases)(
    '%s is refused as HTTP, and reaches no handler',
    async (_what, path, headers, status, reason) => {
      const call = await recordingCall();
      const count = handler.streams.length;
      const { status: told, headers: answered, body } = (await refusalOf(open(path(call), headers)))!;
      expect([told, answered['tallylight-reason']]).toEqual([status, reason]);
      expect(answered.connection).toMatch(/^close/);
      if (status !== 501) expect(JSON.parse(body)).toMatchObject({ error: { code: reason } });
      if (status === 426)
        expect([answered.upgrade, answered['sec-websocket-version']]).toEqual(['websocket', '13']);
      expect(handler.streams).toHaveLength(count);
    },
  );

  test('to another protocol is ignored, and the route says what it takes', async () => {
    const call = await recordingCall();
    const count = handler.streams.length;
    const { status, headers } = (await refusalOf(open(good(call), { upgrade: 'h2c' })))!;
    expect([status, headers['tallylight-reason']]).toEqual([426, 'UpgradeRequired']);
    expect([headers.upgrade, headers['sec-websocket-version']]).toEqual(['websocket', '13']);
    expect(handler.streams).toHaveLength(count);
  });

  test('of a stranger finds the gate closed', async () => {
    const call = await recordingCall();
    const stranger = await world.mint.mint({ azp: '33333333-3333-4333-8333-333333333333' });
    const stream = openStream(`${world.proxy.url}/live/${call}`, { token: stranger });
    expect((await refusalOf(stream))?.headers['tallylight-reason']).toBe('RecordingNotActive');
  });

  test('beyond the limit of a call is told so, and may come again when one has ended', async () => {
    const call = await recordingCall();
    const streams = [open(`/live/${call}`), open(`/live/${call}`)];
    await Promise.all(streams.map(({ opened }) => opened));
    expect((await refusalOf(open(`/live/${call}`)))?.headers['tallylight-reason']).toBe('TooManyUploads');
    streams[0]!.close();
    await streams[0]!.over;
    await eventually(async () => (await refusalOf(open(`/live/${call}`))) === undefined);
  });

  test('is what a route wants that takes nothing else', async () => {
    const call = await recordingCall();
    for (const method of ['GET', 'POST', 'HEAD', 'DELETE']) {
      const answer = await send(world.proxy.url, {
        method,
        path: `/live/${call}`,
        token,
        headers: { connection: 'close' },
      });
      expect([method, answer.status, answer.headers['tallylight-reason']]).toEqual([
        method,
        426,
        'UpgradeRequired',
      ]);
      expect(answer.headers.upgrade).toBe('websocket');
      expect(answer.headers.connection).toContain('Upgrade');
    }
    // Nobody learns that without a token, and other routes have their methods beside it.
    expect((await send(world.proxy.url, { path: `/live/${call}` })).status).toBe(401);
    expect((await send(world.proxy.url, { path: `/below/${call}`, token })).body).toBe('no stream');
  });
});

describe('a handler', () => {
  test('that answers something else is passed on as it is', async () => {
    const call = await recordingCall();
    handler.onUpgrade = (_req, socket) =>
      socket.end(
        'HTTP/1.1 409 Conflict\r\nX-Own: yes\r\nTallylight-Gate: open\r\nContent-Length: 4\r\n\r\nbusy',
      );
    const refused = await refusalOf(open(`/live/${call}`));
    expect(refused).toMatchObject({
      status: 409,
      body: 'busy',
      headers: { 'x-own': 'yes', connection: 'close' },
    });
    expect(refused?.headers).not.toHaveProperty('tallylight-gate');
  });

  test('that answers much is passed on with back-pressure', async () => {
    const call = await recordingCall();
    handler.onUpgrade = (_req, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n');
      socket.end(Buffer.alloc(8_000_000, 'x'));
    };
    expect((await refusalOf(open(`/live/${call}`)))?.body).toHaveLength(8_000_000);
  });

  const answers: readonly [string, string][] = [
    ['with the answer to another key', 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
    ['without an answer to the key', 'X-Own: yes'],
  ];
  test.each(answers)('that agrees %s is not believed', async (_what, line) => {
    const call = await recordingCall();
    handler.onUpgrade = (_req, socket) =>
      socket.write(`HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${line}\r\n\r\n`);
    const refused = await refusalOf(open(`/live/${call}`));
    expect([refused?.status, refused?.headers['tallylight-reason']]).toEqual([502, 'UpstreamFailed']);
    await eventually(() => last().ended ?? last().socket.destroyed);
    expect(last().received).toHaveLength(0);
  });

  test.each([
    ['breaks the connection', 'UpstreamFailed', 502],
    ['says nothing', 'UpstreamTimeout', 504],
  ])('that %s is an error', async (what, reason, status) => {
    const call = await recordingCall();
    handler.onUpgrade = (_req, socket) => {
      if (what === 'breaks the connection') socket.destroy();
    };
    const refused = await refusalOf(open(`/live/${call}`));
    expect([refused?.status, refused?.headers['tallylight-reason']]).toEqual([status, reason]);
  });

  test('hears no more of a client that goes before the 101', async () => {
    const call = await recordingCall();
    handler.onUpgrade = () => undefined;
    const count = handler.streams.length;
    const stream = open(`/live/${call}`);
    await eventually(() => handler.streams.length > count);
    stream.destroy();
    await eventually(() => last().ended);
    expect(await stream.over).toBeNull();
  });
});

test('no token is left in the evidence', async () => {
  const folder = join(world.directory, 'evidence');
  await world.closeAndVerify();
  for (const name of await readdir(folder))
    expect(await readFile(join(folder, name), 'utf8')).not.toContain(token);
});
