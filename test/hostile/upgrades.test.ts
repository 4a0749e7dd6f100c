import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { frameOf, opcodes } from '../../src/core/http/websocket.ts';
import { eventually } from '../support/eventually.ts';
import { openRaw } from '../support/raw-http.ts';
import { startStreamHandler, type StreamHandler } from '../support/stream-handler.ts';
import { startWorld, type World } from '../support/world.ts';

describe('a hostile upgrade', () => {
  let world: World;
  let handler: StreamHandler;
  let head: (...changes: readonly (readonly [string, string])[]) => string;
  let call: string;
  beforeAll(async () => {
    handler = await startStreamHandler();
    const route = {
      path: '/live/{callId}',
      upstream: handler.url,
      methods: ['POST'],
      reads: 'pass' as const,
    };
    world = await startWorld({ settings: { mediaRoutes: [{ ...route, websocket: true }] } });
    const bot = await world.bot();
    expect((await bot.report('recording')).status).toBe(200);
    ({ call } = bot);
    const token = await world.mint.mint();
    head = (...changes) => {
      let text = [
        `GET /live/${call} HTTP/1.1`,
        'Host: proxy',
        `Authorization: Bearer ${token}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        '\r\n',
      ].join('\r\n');
      for (const [from, to] of changes) text = text.replace(from, to);
      return text;
    };
  });
  afterAll(async () => {
    await world.close();
    await handler.close();
  });
  const inner = (): string => `POST /live/${call} HTTP/1.1\r\nHost: proxy\r\nContent-Length: 5\r\n\r\nhello`;

  const forms: readonly (readonly [string, readonly (readonly [string, string])[], number])[] = [
    ['by HTTP/1.0', [['HTTP/1.1', 'HTTP/1.0']], 501],
    ['by POST', [['GET', 'POST']], 501],
    ['by HEAD', [['GET', 'HEAD']], 501],
    ['in absolute form', [['GET /', 'GET http://proxy/']], 501],
    ['without a Host', [['Host: proxy\r\n', '']], 400],
    ['with a length', [['Host: proxy', 'Host: proxy\r\nContent-Length: 5']], 400],
    ['with chunks', [['Host: proxy', 'Host: proxy\r\nTransfer-Encoding: chunked']], 400],
    ['with two keys', [['Host: proxy', 'Host: proxy\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']], 400],
    ['with two versions', [['Version: 13', 'Version: 13\r\nSec-WebSocket-Version: 8']], 426],
    ['to two protocols', [['Upgrade: websocket', 'Upgrade: websocket\r\nUpgrade: h2c']], 501],
    ['to another protocol first', [['Upgrade: websocket', 'Upgrade: h2c, websocket']], 501],
    ['with an expectation', [['Host: proxy', 'Host: proxy\r\nExpect: something']], 417],
  ];
  test.each(forms)('%s is refused, and what follows it is no request', async (_what, changes, status) => {
    const count = handler.streams.length;
    const connection = openRaw(world.proxy.url);
    connection.write(head(...changes) + inner());
    await connection.closed;
    expect(connection.answers.map((answer) => answer.status)).toEqual([status]);
    expect(connection.received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(handler.streams).toHaveLength(count);
  });

  test('that is cut into single bytes is taken like any other', async () => {
    const connection = openRaw(world.proxy.url);
    connection.socket.setNoDelay(true);
    for (const byte of Buffer.from(head()))
      await new Promise((resolve) => connection.socket.write(Buffer.from([byte]), resolve));
    expect(await connection.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 101 /);
    const held = handler.streams.at(-1)!;
    for (const byte of frameOf(opcodes.binary, Buffer.alloc(200, 'x'), Buffer.alloc(4)))
      await new Promise((resolve) => connection.socket.write(Buffer.from([byte]), resolve));
    await eventually(() => held.frames.length === 1);
    connection.destroy();
    await eventually(() => held.ended);
  });

  test('behind a request that is not answered yet takes nothing of its answer', async () => {
    const count = handler.streams.length;
    const connection = openRaw(world.proxy.url);
    connection.write(`GET /live/${call} HTTP/1.1\r\nHost: proxy\r\n\r\n${head()}`);
    await connection.closed;
    expect(connection.received).not.toContain(' 101 ');
    expect(handler.streams).toHaveLength(count);
  });

  test('and what is said after it never becomes a request: HTTP in a stream is a broken frame', async () => {
    const connection = openRaw(world.proxy.url);
    connection.write(head() + inner());
    await connection.closed;
    expect(connection.received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    await eventually(() => handler.streams.at(-1)!.ended);
    expect(handler.streams.at(-1)!.frames.map(({ opcode }) => opcode)).toEqual([opcodes.close]);
  });

  test.each(['reset', 'close'] as const)(
    'whose client goes with a %s at any moment ends no process',
    async (how) => {
      const crashes: unknown[] = [];
      const record = (error: unknown): unknown => crashes.push(error);
      process.on('uncaughtException', record);
      for (let round = 0; round < 40; round++) {
        const connection = openRaw(world.proxy.url);
        const bytes = head() + 'x'.repeat(round);
        connection.write(round % 2 === 0 ? bytes : head(['Bearer ', 'Bearer x']));
        if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (how === 'reset') connection.socket.resetAndDestroy();
        else connection.socket.end();
        await connection.closed;
      }
      await eventually(() => handler.streams.every(({ socket }) => socket.destroyed));
      process.off('uncaughtException', record);
      expect(crashes).toEqual([]);
    },
  );
});
