import diagnostics from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { memoryStore } from '../../../src/store/memory.ts';
import { counting } from '../../support/counting-store.ts';
import { eventually } from '../../support/eventually.ts';
import { openRaw } from '../../support/raw-http.ts';
import { standstill } from '../../support/standstill.ts';
import { startWorld } from '../../support/world.ts';

test('a thousand writes of a call cost the store one acquire, and heartbeats', async () => {
  const store = counting(memoryStore({ livedMs: Infinity }));
  const world = await startWorld({ openStore: () => store });
  const bot = await world.bot();
  await bot.report('recording');
  store.counts.clear();
  for (let round = 0; round < 50; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => bot.upload('frame', 640)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 201));
  }
  store.counts.delete('heartbeat');
  expect(Object.fromEntries(store.counts)).toEqual({ acquire: 1 });
  await world.close();
});

test('an upload that its handler does not read is held in the sockets, not in this process', async () => {
  const uploads = 4;
  const offered = 16 * 1024 * 1024;
  const mostBytes = 512 * 1024;
  const handler = createServer((socket) => void socket.on('error', () => undefined).pause());
  await new Promise<void>((resolve) => handler.listen(0, '127.0.0.1', resolve));
  const { port } = handler.address() as AddressInfo;
  const requests = new Set<IncomingMessage>();
  const onward = new Set<Socket>();
  const arrived = (message: unknown): void => {
    const { request } = message as { request: IncomingMessage };
    if (request.url?.startsWith('/unread/') === true) requests.add(request);
  };
  const connected = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    if (socket.remotePort === port) onward.add(socket);
  };
  diagnostics.subscribe('http.server.request.start', arrived);
  diagnostics.subscribe('undici:client:connected', connected);
  const world = await startWorld({
    settings: {
      mediaRoutes: [
        { path: '/unread/{callId}', upstream: `http://127.0.0.1:${port}`, methods: ['POST'], reads: 'pass' },
      ],
    },
  });
  const clients = Array.from({ length: uploads }, () => openRaw(world.proxy.url));
  try {
    const bot = await world.bot();
    await bot.report('recording');
    const token = await world.mint.mint();
    for (const client of clients) {
      client.write(
        `POST /unread/${bot.call} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
          `Content-Length: ${offered}\r\n\r\n`,
      );
      client.write(Buffer.alloc(offered));
    }
    const buffered = (): number =>
      [...requests].reduce((sum, req) => sum + req.readableLength + req.socket.readableLength, 0) +
      [...onward].reduce((sum, socket) => sum + socket.writableLength, 0);
    await eventually(() => onward.size === uploads);
    const left = (): number => clients.reduce((sum, { socket }) => sum + socket.writableLength, 0);
    // A connection whose window was full for long is probed again only after a while.
    await eventually(async () => (await standstill(left, 'what clients could not send')) && buffered(), {
      withinMs: 50_000,
    });
    expect(clients.every(({ socket }) => socket.writableLength > 0)).toBe(true);
    expect(buffered() / uploads).toBeLessThan(mostBytes);
  } finally {
    diagnostics.unsubscribe('http.server.request.start', arrived);
    diagnostics.unsubscribe('undici:client:connected', connected);
    for (const client of clients) client.destroy();
    await world.close();
    handler.close();
  }
});
