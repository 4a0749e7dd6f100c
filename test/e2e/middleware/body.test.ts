import { once } from 'node:events';
import { createServer, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import express, { type RequestHandler } from 'express';
import { admitFirst } from '../../../middleware/index.ts';
import { guardBody } from '../../../middleware/guard-body.ts';
import { eventually } from '../../support/eventually.ts';
import { startHost, writesOf, type Host } from './host.ts';

/** Every way in which handlers take a body; each tells what it was given. */
const ways: Readonly<Record<string, (req: IncomingMessage, take: (chunk: Buffer) => void) => void>> = {
  'the data event': (req, take) => void req.on('data', take),
  'the data event, as text': (req, take) =>
    void req.setEncoding('base64').on('data', (text: string) => take(Buffer.from(text, 'base64'))),
  'the readable event': (req, take) =>
    void req.on('readable', () => {
      for (let chunk: unknown; (chunk = req.read()) !== null;) take(chunk as Buffer);
    }),
  'async iteration': (req, take) => {
    void (async () => {
      for await (const chunk of req as AsyncIterable<Buffer>) take(chunk);
    })().catch(() => undefined);
  },
  'a pipe': (req, take) => void req.pipe(sinkInto(take)),
  'a pipeline': (req, take) => void pipeline(req, sinkInto(take)).catch(() => undefined),
};

const sinkInto = (take: (chunk: Buffer) => void): Writable =>
  new Writable({
    write(chunk: Buffer, _encoding, done) {
      take(chunk);
      done();
    },
  });

describe('the guard of a body', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** A server that takes one body in one way, and its client. */
  async function take(way: keyof typeof ways): Promise<{
    readonly client: ClientRequest;
    readonly body: { given: string; counted: number; open: boolean; refused: boolean };
  }> {
    const body = { given: '', counted: 0, open: true, refused: false };
    const server = createServer((req) => {
      guardBody(req).open({
        mayPass: () => {
          body.refused ||= !body.open;
          return body.open;
        },
        addBytes: (count) => (body.counted += count),
      });
      // What has arrived by now was buffered before the handler could listen.
      void eventually(() => req.readableLength > 0).then(() =>
        ways[way]!(req, (chunk) => (body.given += chunk.toString())),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = request({ port, host: '127.0.0.1', method: 'POST', agent: false });
    client.on('error', () => undefined);
    closing.push(() => {
      client.destroy();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    return { client, body };
  }

  test.each(Object.keys(ways))(
    'counts what %s gives out, once, and hands on nothing when it must not',
    async (way) => {
      const { client, body } = await take(way);
      client.write('first ');
      await eventually(() => body.given === 'first ');
      client.write('second');
      await eventually(() => body.given === 'first second');
      expect(body.counted).toBe(12);
      expect(body.refused).toBe(false);

      body.open = false;
      client.write('third');
      await eventually(() => body.refused);
      client.end('fourth');
      await new Promise((resolve) => setImmediate(resolve));
      expect(body).toMatchObject({ given: 'first second', counted: 12 });
    },
  );
});

describe('the body of an admitted write', () => {
  let host: Host | undefined;
  afterEach(async () => {
    await host?.close();
    host = undefined;
  });

  const length: RequestHandler = (req, res) => {
    res
      .status(201)
      .json({ bytes: Buffer.isBuffer(req.body) ? req.body.length : JSON.stringify(req.body).length });
  };

  test.each<[string, RequestHandler]>([
    ['express.raw', express.raw({ type: () => true, limit: '2mb' })],
    ['express.json', express.json({ limit: '2mb' })],
    ['express.text', express.text({ type: () => true, limit: '2mb' })],
  ])('is complete and counted behind %s', async (_, parser) => {
    host = await startHost({ handlers: [parser, length] });
    const bot = await host.bot();
    await bot.report('recording');
    const text = JSON.stringify({ transcript: 'x'.repeat(500_000) });
    const answer = await fetch(`${host.url}/media/${bot.call}/a`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await host.mint.mint()}`, 'content-type': 'application/json' },
      body: text,
    });
    expect(answer.status).toBe(201);
    expect(((await answer.json()) as { bytes: number }).bytes).toBeGreaterThanOrEqual(text.length);
    await bot.report('notRecording');
    expect(writesOf(await host.evidence())).toMatchObject({ admitted: 1, aborted: 0, bytes: text.length });
  });

  test('is not asked for before admission where the server admits first', async () => {
    const stored: RequestHandler = async (req, res) => {
      let bytes = 0;
      for await (const chunk of req as AsyncIterable<Buffer>) bytes += chunk.length;
      res.status(201).json({ bytes });
    };
    host = await startHost({ handlers: [stored], prepare: admitFirst });
    const bot = await host.bot();
    const token = await host.mint.mint();
    const { port, hostname } = new URL(host.url);

    const expecting = async (): Promise<string> => {
      const socket = connect(Number(port), hostname);
      let received = '';
      socket.on('data', (chunk) => {
        if (received === '' && String(chunk).startsWith('HTTP/1.1 100')) socket.write('12345');
        received += String(chunk);
      });
      const head = [
        `POST /media/${bot.call}/a HTTP/1.1`,
        'Host: host',
        'Connection: close',
        `Authorization: Bearer ${token}`,
        'Expect: 100-continue',
        'Content-Length: 5',
      ];
      socket.write(`${head.join('\r\n')}\r\n\r\n`);
      await eventually(() => /HTTP\/1\.1 (?!100)/.test(received));
      socket.destroy();
      return received;
    };

    const refused = await expecting();
    expect(refused).toMatch(/^HTTP\/1\.1 403 /);
    expect(refused).not.toContain('100 Continue');

    await bot.report('recording');
    const accepted = await expecting();
    expect(accepted.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 201']);
    expect(accepted).toContain('{"bytes":5}');
  });
});
