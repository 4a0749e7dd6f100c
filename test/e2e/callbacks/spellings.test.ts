import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { listen } from '../../../src/sandbox/loopback.ts';
import { eventually } from '../../support/eventually.ts';
import { batch, callIs, startNotifiedWorld, type NotifiedWorld } from '../../support/notified-bot.ts';
import { openRaw } from '../../support/raw-http.ts';

const mebibyte = 1024 * 1024;

let world: NotifiedWorld;
beforeAll(async () => {
  world = await startNotifiedWorld();
});
afterAll(() => world.close());

const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

describe('a notification that ends a call is learned from, and reaches the bot byte by byte', () => {
  const mark = Buffer.from('\ufeff');
  test.each<[string, (plain: Buffer) => Buffer, Record<string, string>]>([
    ['with a byte order mark', (plain) => Buffer.concat([mark, plain]), {}],
    ['with NULs behind it', (plain) => Buffer.concat([plain, Buffer.from('\r\n\0')]), {}],
    ['as plain text', (plain) => plain, { 'content-type': 'text/plain' }],
    ['in a charset with quotes', (plain) => plain, { 'content-type': 'application/json; charset="UTF8"' }],
    ['by gzip', (plain) => gzipSync(plain), { 'content-encoding': 'gzip' }],
    ['by deflate', (plain) => deflateSync(plain), { 'content-encoding': 'deflate' }],
    [
      'by Brotli, with a mark',
      (plain) => brotliCompressSync(Buffer.concat([mark, plain])),
      { 'content-encoding': 'br' },
    ],
  ])('%s', async (_, written, headers) => {
    const call = await world.recordingCall();
    const body = written(bytesOf(batch(callIs(call, 'terminated'))));
    await world.learnt('call', 'learned', 1, async () => {
      expect((await world.notify(body, { headers })).status).toBe(202);
    });
    expect(await world.isOpen(call)).toBe(false);
    const { body: received, headers: got } = world.endpoint.received.at(-1)!;
    expect(received).toEqual(body);
    expect(got['content-encoding']).toBe(headers['content-encoding']);
  });

  test('is not learned from where it becomes too large without its compression, and reaches the bot', async () => {
    const body = gzipSync(Buffer.concat([bytesOf({ value: [] }), Buffer.alloc(20 * mebibyte, ' ')]));
    await world.learnt('ignored', 'unreadable', 1, async () => {
      expect((await world.notify(body, { headers: { 'content-encoding': 'gzip' } })).status).toBe(202);
    });
    expect(world.endpoint.received.at(-1)?.body).toEqual(body);
  });
});

describe('a notification that is too large to learn from', () => {
  const large = (size: number): Buffer =>
    Buffer.concat([bytesOf(batch(callIs(randomUUID(), 'terminated'))), Buffer.alloc(size, ' ')]);

  test.each<[string, number]>([
    ['a little', mebibyte],
    ['much', 12 * mebibyte],
  ])('by %s is passed on to the bot, with a length or without', async (_, size) => {
    const body = large(size);
    await world.learnt('ignored', 'tooLarge', 1, async () => {
      expect((await world.notify(body)).status).toBe(202);
    });
    expect(world.endpoint.received.at(-1)!.body.equals(body)).toBe(true);
    expect(world.endpoint.received.at(-1)!.headers['content-length']).toBe(String(body.length));

    const connection = openRaw(world.proxy.url);
    await world.learnt('ignored', 'tooLarge', 1, async () => {
      connection.write(await headOf('Transfer-Encoding: chunked'));
      for (let at = 0; at < body.length; at += 100_000) {
        const chunk = body.subarray(at, at + 100_000);
        connection.write(`${chunk.length.toString(16)}\r\n`);
        connection.write(chunk);
        connection.write('\r\n');
      }
      connection.write('0\r\n\r\n');
      expect((await connection.answer)?.status).toBe(202);
    });
    expect(world.endpoint.received.at(-1)!.body.equals(body)).toBe(true);
    // The connection is as good as any.
    connection.write((await headOf('Content-Length: 12')) + '{"value":[]}');
    await eventually(() => connection.answers.length === 2);
    connection.destroy();
    expect(world.logged.filter((line) => line.includes('tooLarge')).length).toBeGreaterThan(1);
  });

  const headOf = async (framing: string): Promise<string> =>
    [
      'POST /pod-7/api/calling/x HTTP/1.1',
      'Host: proxy',
      `Authorization: Bearer ${await world.mint.mintNotificationToken()}`,
      'Content-Type: application/json',
      framing,
      '\r\n',
    ].join('\r\n');

  test.each([
    ['with a length', `Content-Length: ${64 * mebibyte}`, (bytes: string) => bytes],
    [
      'in chunks',
      'Transfer-Encoding: chunked',
      (bytes: string) => `${bytes.length.toString(16)}\r\n${bytes}\r\n`,
    ],
  ])('is not kept here: the bot gets what has come, before the rest has, %s', async (_, framing, framed) => {
    let begun: IncomingMessage | undefined;
    let received = 0;
    const bot = await listen(
      createServer((req) => {
        begun = req;
        req.on('data', (chunk: Buffer) => (received += chunk.length));
        req.on('error', () => undefined);
      }),
      {},
    );
    const other = await startNotifiedWorld({
      settings: () => ({ callbacks: [{ path: '/{pod}/api/calling/*', upstream: bot.url }] }),
    });
    try {
      const connection = openRaw(other.proxy.url);
      const head = (await headOf(framing)).replace(
        /Bearer .*/,
        `Bearer ${await other.mint.mintNotificationToken()}`,
      );
      connection.write(head + framed('x'.repeat(2 * mebibyte)));
      await eventually(() => received === 2 * mebibyte);
      connection.write(framed('y'.repeat(mebibyte)));
      await eventually(() => received === 3 * mebibyte);
      // Whoever breaks off breaks off towards the bot as well.
      connection.destroy();
      await eventually(() => begun?.destroyed);
    } finally {
      await other.close();
      await bot.close();
    }
  });

  test('is answered 502 if the bot is away', async () => {
    await world.endpoint.goDown();
    try {
      const answer = await world.notify(large(2 * mebibyte));
      expect([answer.status, answer.headers['tallylight-reason']]).toEqual([502, 'BotUnreachable']);
    } finally {
      await world.endpoint.comeUp();
    }
  });

  test('needs a good token like any other', async () => {
    const before = world.endpoint.received.length;
    const answer = await world.notify(large(2 * mebibyte), { token: null });
    expect(answer.status).toBe(401);
    expect(world.endpoint.received).toHaveLength(before);
  });
});
