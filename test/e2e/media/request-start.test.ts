import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Bot, type Reply } from '../../../src/sandbox/bot/bot.ts';
import { eventually } from '../../support/eventually.ts';
import { openRaw } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';
import { startHost } from '../middleware/host.ts';

const header = 'X-Request-Start';
const trustedProxies = ['127.0.0.1'];
const toleranceMs = 100;

/** A proxy that passes a request on when it has the whole body and is told to, stamped with when its head came. */
interface BufferingEdge {
  readonly url: string;
  /** Requests that are whole and wait. */
  readonly waiting: number;
  passOn(): void;
  close(): void;
}

async function startEdge(origin: string): Promise<BufferingEdge> {
  let waiting: (() => void)[] = [];
  const server = createServer((req, res) => {
    const began = Date.now();
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      waiting.push(() => {
        const body = Buffer.concat(chunks);
        const headers = { ...headersOf(req), [header]: `t=${began}`, 'content-length': body.length };
        const upstream = request(origin + (req.url ?? ''), { method: req.method, headers }, (answer) => {
          res.writeHead(answer.statusCode ?? 0, answer.headers);
          answer.pipe(res);
        });
        upstream.on('error', () => res.destroy());
        upstream.end(body);
      });
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get waiting() {
      return waiting.length;
    },
    passOn() {
      const now = waiting;
      waiting = [];
      for (const pass of now) pass();
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const headersOf = ({ headers }: IncomingMessage): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'transfer-encoding'));

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function behindEdge(asked: boolean): Promise<{
  readonly world: World;
  readonly edge: BufferingEdge;
  /** Signals to the proxy itself. */
  readonly bot: Bot;
  /** Sends its media through the edge. */
  readonly uploader: Bot;
}> {
  const world = await startWorld({
    settings: asked ? { trustedProxies, requestStart: { header, unit: 'ms', toleranceMs } } : {},
  });
  closers.push(() => world.close());
  const edge = await startEdge(world.proxy.url);
  closers.push(() => edge.close());
  const bot = await world.bot();
  return { world, edge, bot, uploader: new Bot(edge.url, await world.mint.mint(), bot.call) };
}

/** The answer to a write that the edge holds until the gate is open. */
async function heldUntilOpen({
  edge,
  bot,
  uploader,
}: Awaited<ReturnType<typeof behindEdge>>): Promise<Reply> {
  const answer = uploader.upload('early', 640);
  await eventually(() => edge.waiting === 1, { what: 'the edge has the whole body' });
  expect((await bot.report('recording')).status).toBe(200);
  edge.passOn();
  return answer;
}

/** Sends again, each time a new write, until one is let in: at first they are too close to the confirmation. */
const firstLetIn = (send: () => Promise<{ readonly status: number }>): Promise<true> =>
  eventually(async () => {
    const { status } = await send();
    if (status !== 403 && status !== 201) throw new Error(`the write was answered ${status}`);
    return status === 201 || undefined;
  });

describe('an edge that buffers', () => {
  test('brings media from before the confirmation where its start is not asked for', async () => {
    const story = await behindEdge(false);
    expect((await heldUntilOpen(story)).status).toBe(201);
    expect(story.world.sink.received).toHaveLength(1);
  });

  test('brings none where it is, and what is sent after the confirmation is let in', async () => {
    const story = await behindEdge(true);
    const { world, edge, uploader } = story;
    const refused = await heldUntilOpen(story);
    expect(refused.status).toBe(403);
    expect(refused.headers['tallylight-reason']).toBe('RecordingNotActive');
    expect(refused.body).toContain('the request began before recording was confirmed');
    expect(world.sink.received).toEqual([]);

    await firstLetIn(async () => {
      const answer = uploader.upload('in-time', 640);
      await eventually(() => edge.waiting === 1);
      edge.passOn();
      return answer;
    });
    expect(world.sink.received).toHaveLength(1);

    const metrics = await (await fetch(`${world.proxy.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/tallylight_request_starts_refused_total\{why="early"\} [1-9]/);
    expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  });
});

describe('where the start of requests is asked for', () => {
  /** Opens the gate, and tells the answer to a write with such headers once one that is in order is let in. */
  async function answersTo(): Promise<(headers: readonly string[], from?: string) => Promise<string>> {
    const { world, bot } = await behindEdge(true);
    await bot.report('recording');
    const token = await world.mint.mint();
    const send = async (headers: readonly string[], localAddress = '127.0.0.1'): Promise<string> => {
      const connection = openRaw(world.proxy.url, { localAddress });
      const lines = [
        `POST /media/${bot.call}/x HTTP/1.1`,
        'Host: proxy',
        `Authorization: Bearer ${token}`,
        ...headers,
      ];
      if (!headers.some((line) => line.startsWith('Upgrade'))) lines.push('Content-Length: 2');
      else lines[0] = lines[0]!.replace('POST', 'GET');
      connection.write(
        [...lines, '', headers.some((line) => line.startsWith('Upgrade')) ? '' : 'hi'].join('\r\n'),
      );
      const answer = await connection.until(/\r\n\r\n(?:.*\})?/s);
      connection.destroy();
      return answer;
    };
    await firstLetIn(async () => ({ status: Number((await send([stamp()])).split(' ')[1]) }));
    return send;
  }
  const stamp = (value = `t=${Date.now()}`): string => `${header}: ${value}`;

  test('nothing is let in that does not tell it, or not in order, though the gate is open', async () => {
    const send = await answersTo();
    for (const [headers, why] of [
      [[], 'the header is missing'],
      [[stamp(''), ''].slice(0, 1), 'is not a time such as'],
      [[stamp('yesterday')], 'is not a time such as'],
      [[stamp(), stamp()], 'the header is repeated'],
      [[stamp(`t=${Date.now() + 3_600_000}`)], 'is in the future'],
      [[stamp(`t=${Date.now() - 3_600_000}`)], 'before recording was confirmed'],
    ] as const) {
      const answer = await send(headers);
      expect(answer).toMatch(/^HTTP\/1\.1 403 /);
      expect(answer).toContain('Tallylight-Reason: RecordingNotActive');
      expect(answer).toContain(why);
    }
    expect(await send([stamp()])).toMatch(/^HTTP\/1\.1 201 /);
  });

  test('nobody but a trusted proxy tells it', async () => {
    const send = await answersTo();
    const answer = await send([stamp()], '127.0.0.2');
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toContain('does not come from a trusted proxy');
  });

  test('a WebSocket tells it as well', async () => {
    const send = await answersTo();
    const handshake = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ];
    expect(await send(handshake)).toMatch(/^HTTP\/1\.1 403 /);
    expect(await send([...handshake, stamp(`t=${Date.now() - 3_600_000}`)])).toMatch(/^HTTP\/1\.1 403 /);
    expect(await send([...handshake, stamp()])).toMatch(/^HTTP\/1\.1 101 /);
  });

  test('control requests need not tell it', async () => {
    const { bot } = await behindEdge(true);
    expect((await bot.report('recording')).status).toBe(200);
    expect((await bot.report('notRecording')).status).toBe(200);
  });
});

test('the middleware asks for it as well, where its host says so', async () => {
  const host = await startHost({
    options: { requestStart: { header, trustedProxies, toleranceMs } },
    handlers: [
      (req, res) => {
        req.resume();
        req.on('end', () => res.sendStatus(201));
      },
    ],
  });
  closers.push(() => host.close());
  const edge = await startEdge(host.url);
  closers.push(() => edge.close());
  const bot = await host.bot();
  const uploader = new Bot(edge.url, await host.mint.mint(), bot.call);

  const answer = uploader.upload('early', 640);
  await eventually(() => edge.waiting === 1);
  expect((await bot.report('recording')).status).toBe(200);
  edge.passOn();
  expect((await answer).status).toBe(403);
  expect((await bot.upload('direct', 640)).status).toBe(403);
  await firstLetIn(async () => {
    const later = uploader.upload('in-time', 640);
    await eventually(() => edge.waiting === 1);
    edge.passOn();
    return later;
  });
});
