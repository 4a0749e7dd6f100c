import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { clientAddress } from '../../../src/http/client-address.ts';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { openStream } from '../../../src/sandbox/bot/websocket-client.ts';
import { eventually } from '../../support/eventually.ts';
import { openRaw, type RawConnection } from '../../support/raw-http.ts';
import { startStreamHandler, type StreamHandler } from '../../support/stream-handler.ts';
import { startWorld, type World } from '../../support/world.ts';
import { edgeNames, header, startEdge, unitOf, type Edge, type EdgeName, type Manner } from './edges.ts';
import { startHandler, type Handler } from './handler.ts';

const trustedProxies = ['127.0.0.1'];
/** The clocks are one. */
const toleranceMs = 20;

let handler: Handler;
let streams: StreamHandler;
beforeAll(async () => {
  handler = await startHandler();
  streams = await startStreamHandler();
});
afterAll(async () => {
  await handler.close();
  await streams.close();
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Story {
  readonly world: World;
  readonly edge: Edge;
  readonly token: string;
  /** Signals to the proxy itself, which is what a bot within the network may do. */
  readonly bot: Bot;
  /** Everything through the edge. */
  readonly outside: Bot;
  /** A write whose bytes are said one by one. */
  write(name: string, headers: readonly string[]): RawConnection;
}

/** A proxy behind an edge, and a call that is established; `asked`: for the start of requests. */
async function behind(
  name: EdgeName,
  manner: Manner,
  { asked }: { readonly asked: boolean },
): Promise<Story> {
  const route = { methods: ['POST'], reads: 'refuse' as const };
  const world = await startWorld({
    settings: {
      trustedProxies,
      mediaRoutes: [
        { path: '/media/{callId}/*', upstream: handler.url, ...route },
        { path: '/streams/{callId}/*', upstream: streams.url, ...route, websocket: true },
      ],
      ...(asked ? { requestStart: { header, unit: unitOf[name], toleranceMs } } : {}),
    },
  });
  closers.push(() => world.close());
  const edge = await startEdge(name, manner, world.proxy.url);
  closers.push(() => edge.close());
  const bot = await world.bot();
  const token = await world.mint.mint();
  return {
    world,
    edge,
    token,
    bot,
    outside: new Bot(edge.url, token, bot.call),
    write(file, headers) {
      const connection = openRaw(edge.url);
      closers.push(() => connection.destroy());
      connection.write(
        [
          `POST /media/${bot.call}/${file} HTTP/1.1`,
          'Host: recorder.example',
          `Authorization: Bearer ${token}`,
          ...headers,
          '',
          '',
        ].join('\r\n'),
      );
      return connection;
    },
  };
}

/** Sends more of a body until the test is over. */
function goOn(upload: RawConnection, piece: string): void {
  const sending = setInterval(() => upload.write(piece), 20);
  closers.push(() => clearInterval(sending));
}

let files = 0;
const newFile = (): string => `file-${++files}`;

/** Waits until a write through the edge is let in; at first they may be too close to the confirmation. */
const firstLetIn = ({ outside }: Story): Promise<true> =>
  eventually(async () => (await outside.upload(newFile(), 640)).status === 201 || undefined, {
    what: 'a write through the edge is let in',
  });

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

/** Sends the first part of a body; the rest is sent when that is asked for. */
function halfSent(story: Story): { readonly file: string; readonly finish: () => Promise<number> } {
  const file = newFile();
  const upload = story.write(file, ['Content-Length: 2000']);
  upload.write('x'.repeat(1000));
  return {
    file,
    async finish() {
      upload.write('y'.repeat(1000));
      return (await upload.answer)?.status ?? 0;
    },
  };
}

describe.each(edgeNames)('%s', (name) => {
  /** Caddy passes an early answer on when the client has sent more: of a body of unknown length up to 256 KiB. */
  const isToldLate = name === 'Caddy';

  describe('as recommended', () => {
    let story: Story;
    const begin = async (isOpen = true): Promise<void> => {
      story = await behind(name, 'recommended', { asked: true });
      if (!isOpen) return;
      expect((await story.outside.report('recording')).status).toBe(200);
      await firstLetIn(story);
    };

    test('passes the first part of a body on before the client sends the rest', async () => {
      await begin();
      const { file, finish } = halfSent(story);
      await eventually(() => handler.of(file)?.bytes === 1000, {
        what: 'the first part is with the handler',
      });
      expect(await finish()).toBe(201);
    });

    test('a stop ends an upload that is under way, for the client and for the handler', async () => {
      await begin();
      const file = newFile();
      const upload = story.write(file, ['Transfer-Encoding: chunked']);
      upload.write(chunk('x'.repeat(1000)));
      await eventually(() => handler.of(file)?.bytes === 1000);
      expect((await story.outside.report('notRecording')).status).toBe(200);
      await eventually(() => handler.of(file)?.how === 'cut', { what: 'the handler sees the cut' });
      // Whoever goes on sending finds out, by an answer or by the end of the connection.
      if (isToldLate) goOn(upload, chunk('y'.repeat(65_536)));
      const answer = await Promise.race([upload.answer, upload.closed]);
      if (answer !== undefined) expect([403, 502]).toContain(answer.status);
      expect(handler.of(file)?.bytes).toBe(1000);
    });

    test('a WebSocket passes, and a stop closes it', async () => {
      await begin();
      const file = newFile();
      const stream = openStream(`${story.edge.url}/streams/${story.bot.call}/${file}`, {
        token: story.token,
      });
      await stream.opened;
      stream.send('a frame');
      const held = await eventually(() => streams.streams.find(({ req }) => req.url?.endsWith(file)));
      await eventually(() => held.frames.some(({ payload }) => payload === 'a frame'));
      expect((await story.outside.report('notRecording')).status).toBe(200);
      expect(await stream.over).toMatchObject({ code: 1008 });
    });

    test('the client can read a 403 that comes while it still sends', async () => {
      await begin(false);
      const file = newFile();
      const upload = story.write(file, ['Content-Length: 1000000']);
      upload.write('x'.repeat(1000));
      if (isToldLate) goOn(upload, 'y'.repeat(1000));
      const answer = await upload.answer;
      expect(answer).toMatchObject({ status: 403, headers: { 'tallylight-reason': 'RecordingNotActive' } });
      expect(handler.of(file)).toBeUndefined();
    });

    test('Expect: 100-continue is met where the gate is open, and a refusal is told where it is closed', async () => {
      await begin(false);
      const expecting = ['Content-Length: 5', 'Expect: 100-continue'];
      const early = story.write(newFile(), expecting);
      expect(await early.until(/^HTTP\/1\.1 [^1]|\r\n\r\nHTTP\/1\.1 /)).toContain('HTTP/1.1 403 ');
      // nginx asks for the body by itself, before anybody has decided.
      expect(early.received.includes('100 Continue')).toBe(name === 'nginx');

      expect((await story.outside.report('recording')).status).toBe(200);
      await firstLetIn(story);
      const file = newFile();
      const later = story.write(file, expecting);
      expect(await later.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 100 /);
      later.write('hello');
      expect(await later.answer).toMatchObject({ status: 201 });
      expect(handler.of(file)?.bytes).toBe(5);
    });

    test('tells the address of the client and when the request began, whatever the client has written', async () => {
      const asked: IncomingMessage[] = [];
      const server = createServer((req, res) => {
        asked.push(req);
        res.end();
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      closers.push(() => server.close());
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const edge = await startEdge(name, 'recommended', origin);
      closers.push(() => edge.close());
      const before = Date.now();
      const connection = openRaw(edge.url, { localAddress: '127.0.0.9' });
      connection.write(
        [
          'GET /v1.0/a%2Fb//c HTTP/1.1',
          'Host: recorder.example',
          'X-Forwarded-For: 203.0.113.7',
          'Forwarded: for=203.0.113.8',
          `${header}: t=1`,
          `${header}: t=2`,
          '',
          '',
        ].join('\r\n'),
      );
      await connection.answer;
      connection.destroy();
      const [req] = asked;
      expect(clientAddress(trustedProxies)(req!)).toBe('127.0.0.9');
      expect(req!.url).toBe('/v1.0/a%2Fb//c');
      const [stamp, ...more] = req!.headersDistinct[header.toLowerCase()] ?? [];
      expect(more).toEqual([]);
      const [, number] = /^t=([\d.]+)$/.exec(stamp ?? '') ?? [];
      const at = Number(number) * (unitOf[name] === 's' ? 1000 : 1);
      // A clock that is read once in a turn of its loop may be somewhat behind.
      expect(at).toBeGreaterThan(before - 1000);
      expect(at).toBeLessThanOrEqual(Date.now());
    });
  });

  test(`with as little as it takes ${name === 'nginx' ? 'keeps a body until it is whole' : 'passes a body on as it comes'}`, async () => {
    const story = await behind(name, 'plain', { asked: false });
    expect((await story.bot.report('recording')).status).toBe(200);
    const { file, finish } = halfSent(story);
    if (name === 'nginx') {
      expect((await story.outside.upload(newFile(), 640)).status).toBe(201);
      expect(handler.of(file)).toBeUndefined();
    } else await eventually(() => handler.of(file)?.bytes === 1000);
    expect(await finish()).toBe(201);
    expect(handler.of(file)?.bytes).toBe(2000);
  });

  describe('that keeps bodies until they are whole', () => {
    /** The answer to a write that began before the confirmation and is whole after it. */
    async function across(manner: Manner, asked: boolean): Promise<{ status: number; reached: boolean }> {
      const story = await behind(name, manner, { asked });
      const { file, finish } = halfSent(story);
      // What began later has passed, so this has been taken in and waits.
      expect((await story.outside.report('recording')).status).toBe(200);
      // So that what is stamped from now on is let in.
      if (asked) await firstLetIn(story);
      const status = await finish();
      return { status, reached: handler.of(file) !== undefined };
    }

    test('lets media in from before the confirmation where its start is not asked for', async () => {
      expect(await across('buffering', false)).toEqual({ status: 201, reached: true });
    });

    const stamps = { nginx: 'at server level', HAProxy: '', Caddy: 'before reverse_proxy' }[name];
    // HAProxy evaluates every rule after the body that it waits for.
    if (stamps !== '')
      test(`lets none in with a stamp that is made ${stamps}`, async () => {
        expect(await across('buffering', true)).toEqual({ status: 403, reached: false });
      });

    test('lets it in all the same with a stamp that is made when the request is passed on', async () => {
      expect(await across('stampedLate', true)).toEqual({ status: 201, reached: true });
    });
  });
});
