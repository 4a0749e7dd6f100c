import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { breakable, type BreakableStore } from '../../../src/sandbox/breakable-store.ts';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import { openStream } from '../../../src/sandbox/bot/websocket-client.ts';
import { acceptWebSocket } from '../../../src/sandbox/websocket-handler.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { eventually } from '../../support/eventually.ts';
import { recordsIn } from '../../support/notified-bot.ts';
import { send } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

/** A write as its handler sees it; the handler answers when it is told to. */
interface Seen {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly res: ServerResponse;
  bytes: number;
  whole: boolean;
}

interface Held {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  bytes: number;
}

interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  readonly at: number;
  answer(status: number): void;
}

/** A handler that reads, and then leaves everything to the test; and the endpoint where it is asked to discard. */
class Handler {
  readonly writes: Seen[] = [];
  readonly discards: Asked[] = [];
  readonly streams: Held[] = [];
  readonly #sockets = new Set<Socket>();
  reads = true;
  /** What is answered to a discard at once; undefined: the test does. */
  agrees: number | undefined = 204;
  readonly #server: Server = createServer((req, res) => {
    res.on('error', () => undefined);
    if (req.url!.includes('discard')) {
      let body = '';
      req.on('data', (chunk) => (body += String(chunk)));
      req.on('end', () => {
        const answer = (status: number): void => void res.writeHead(status).end();
        this.discards.push({
          ...{ path: req.url!, headers: req.headers, body: JSON.parse(body) as unknown },
          ...{ at: performance.now(), answer },
        });
        if (this.agrees !== undefined) answer(this.agrees);
      });
      return;
    }
    const seen: Seen = { path: req.url!, headers: req.headers, res, bytes: 0, whole: false };
    this.writes.push(seen);
    req.on('error', () => undefined);
    if (!this.reads) return;
    req.on('data', (chunk: Buffer) => (seen.bytes += chunk.length));
    req.on('end', () => (seen.whole = true));
  });

  async listen(): Promise<string> {
    // It takes a stream, and never ends one.
    this.#server.on('upgrade', (req: IncomingMessage, socket: Socket) => {
      const { url = '', headers } = req;
      const held: Held = { path: url, headers, bytes: 0 };
      this.streams.push(held);
      socket.on('error', () => undefined).on('data', (chunk: Buffer) => (held.bytes += chunk.length));
      this.#sockets.add(socket);
      acceptWebSocket(req, socket);
    });
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const drainMs = 600;
let handler: Handler;
let store: BreakableStore;
let world: World;
async function begin(): Promise<void> {
  handler = new Handler();
  const url = await handler.listen();
  store = breakable(memoryStore({ livedMs: 3_600_000 }));
  const route = { methods: ['POST'], reads: 'refuse' } as const;
  world = await startWorld({
    openStore: () => store,
    settings: {
      drainMs,
      mediaRoutes: [
        { ...route, path: '/media/{callId}/*', upstream: `${url}/store` },
        { ...route, path: '/undo/{callId}/*', upstream: `${url}/store`, discard: '/discard' },
        {
          ...{ ...route, path: '/live/{callId}', upstream: `${url}/store` },
          ...{ discard: '/discard', websocket: true },
        },
        { ...route, path: '/far/{callId}/*', upstream: `${url}/store`, discard: `${url}/elsewhere/discard` },
      ],
    },
  });
}
async function finish(): Promise<void> {
  await world.close();
  handler.close();
}
beforeAll(begin);
afterAll(finish);
afterEach(() => {
  handler.agrees = 204;
  handler.reads = true;
});

async function recording(): Promise<{ readonly bot: Bot; readonly token: string }> {
  const bot = await world.bot();
  expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
  return { bot, token: await world.mint.mint() };
}

const upload = (path: string, token: string, body: Buffer = Buffer.alloc(640, 7), headers = {}) =>
  send(world.proxy.url, { method: 'POST', path, token, body, headers });
const written = (name: string): Promise<Seen> =>
  eventually(() => handler.writes.find(({ path, whole }) => whole && path.endsWith(name)));
const bare = (call: string): string => call.replaceAll('-', '');
/** What the evidence says of the interval that ended. */
const interval = async (call: string): Promise<Readonly<Record<string, unknown>>> =>
  eventually(async () => {
    const records = await recordsIn(world.directory);
    return records.find(({ call: of, event }) => of === bare(call) && event === 'drained')?.detail;
  });
const stopSentAt = (call: string): number =>
  world.graph.log.find((entry) => entry.asked === 'notRecording' && bare(entry.call ?? '') === bare(call))!
    .receivedAt;

describe('a write that its handler has read and does not answer', () => {
  test.each(['nothing', 'half an answer'])(
    'is unanswered in the evidence, not aborted (it gave %s)',
    async (given) => {
      const { bot, token } = await recording();
      const answered = upload(`/media/${bot.call}/whole`, token).catch((error: unknown) => error);
      const seen = await written(`${bot.call}/whole`);
      if (given !== 'nothing') seen.res.writeHead(201, { 'content-length': 100 }).write('half');
      expect((await bot.report('notRecording')).status).toBe(200);
      if (given === 'nothing')
        expect(await answered).toMatchObject({
          status: 403,
          headers: { 'tallylight-reason': 'RecordingStopped' },
        });
      else await answered;
      expect(await interval(bot.call)).toMatchObject({
        writes: { admitted: 1, aborted: 0, unanswered: 1, bytes: 640 },
        holders: [{ unanswered: 1, aborted: 0, left: 'cut' }],
      });
    },
  );

  test('without a body, too', async () => {
    const { bot, token } = await recording();
    void upload(`/media/${bot.call}/empty`, token, Buffer.alloc(0)).catch(() => undefined);
    await written(`${bot.call}/empty`);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(await interval(bot.call)).toMatchObject({ writes: { aborted: 0, unanswered: 1 } });
  });

  test('is aborted where the rest of it could be kept from the handler', async () => {
    const { bot, token } = await recording();
    handler.reads = false;
    const large = upload(`/media/${bot.call}/large`, token, Buffer.alloc(48 * 1024 * 1024));
    const trickling = bot.slowUpload('trickling');
    trickling.send(10);
    await eventually(() => handler.writes.filter(({ path }) => path.includes(bot.call)).length === 2);
    expect((await bot.report('notRecording')).status).toBe(200);
    await large.catch(() => undefined);
    await trickling.over;
    expect(await interval(bot.call)).toMatchObject({ writes: { admitted: 2, aborted: 2, unanswered: 0 } });
  });
});

describe('every write', () => {
  test('is named to its handler, and not by its client', async () => {
    const { bot, token } = await recording();
    const headers = { 'tallylight-write': 'mine', tallylight_write: 'mine', 'Tallylight-Epoch': '1' };
    for (let count = 0; count < 2; count++) {
      const answered = upload(`/media/${bot.call}/n${count}`, token, Buffer.alloc(10), headers);
      (await written(`${bot.call}/n${count}`)).res.writeHead(201).end();
      expect((await answered).status).toBe(201);
    }
    const mine = handler.writes.filter(({ path }) => path.includes(bot.call));
    const ids = mine.map((seen) => seen.headers['tallylight-write']);
    expect(new Set(ids).size).toBe(2);
    for (const { headers: got } of mine) {
      expect(got['tallylight-write']).toMatch(/^[0-9a-f]{32}-\d+$/);
      expect(got['tallylight-call']).toBe(bot.call);
      expect(got['tallylight_write']).toBeUndefined();
      expect(got['tallylight-epoch']).not.toBe('1');
    }
  });
});

describe('a route that names where writes are discarded', () => {
  test.each([
    ['undo', '/store/discard'],
    ['far', '/elsewhere/discard'],
  ])('has its handler asked before Graph is told (%s)', async (route, path) => {
    const { bot, token } = await recording();
    const answered = upload(`/${route}/${bot.call}/kept`, token);
    const { headers } = await written(`${bot.call}/kept`);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(await answered).toMatchObject({
      status: 403,
      headers: { 'tallylight-reason': 'RecordingStopped' },
    });
    const asked = handler.discards.filter(({ headers: of }) => of['tallylight-call'] === bot.call);
    expect(asked).toHaveLength(1);
    const [{ body, at, path: where, headers: sent }] = asked as [Asked];
    expect(where).toBe(path);
    expect(body).toEqual({
      ...{ write: headers['tallylight-write'], call: bot.call, epoch: Number(headers['tallylight-epoch']) },
      ...{ reason: 'RecordingStopped', stream: false },
    });
    expect(sent).toMatchObject({
      'content-type': 'application/json',
      'tallylight-write': headers['tallylight-write'],
      'tallylight-epoch': headers['tallylight-epoch'],
    });
    expect(sent.authorization).toBeUndefined();
    expect(at).toBeLessThanOrEqual(stopSentAt(bot.call));
    expect(await interval(bot.call)).toMatchObject({
      writes: { unanswered: 1, discarded: 1, notDiscarded: 0 },
      holders: [{ left: 'cut', discarded: 1 }],
    });
  });

  test('has it asked for a part of a body, too', async () => {
    const { bot, token } = await recording();
    const part = send(world.proxy.url, {
      ...{ method: 'POST', path: `/undo/${bot.call}/part`, token },
      headers: { 'content-length': 1000 },
      body: Buffer.alloc(10),
    });
    await eventually(() => handler.writes.find(({ path, bytes }) => bytes === 10 && path.includes(bot.call)));
    expect((await bot.report('notRecording')).status).toBe(200);
    await part.catch(() => undefined);
    expect(await interval(bot.call)).toMatchObject({ writes: { aborted: 1, unanswered: 0, discarded: 1 } });
  });

  test('has it asked for a stream that the handler does not end', async () => {
    const { bot, token } = await recording();
    const stream = openStream(`${world.proxy.url}/live/${bot.call}`, { token });
    await stream.opened;
    stream.send('one');
    const held = await eventually(() =>
      handler.streams.find(({ path, bytes }) => bytes > 0 && path.includes(bot.call)),
    );
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(await stream.over).toMatchObject({ code: 1008 });
    const asked = handler.discards.filter(({ headers: of }) => of['tallylight-call'] === bot.call);
    expect(asked.map(({ body }) => body)).toEqual([
      {
        ...{ write: held.headers['tallylight-write'], call: bot.call },
        ...{ epoch: Number(held.headers['tallylight-epoch']), reason: 'RecordingStopped', stream: true },
      },
    ]);
    expect(asked[0]!.at).toBeLessThanOrEqual(stopSentAt(bot.call));
    expect(await interval(bot.call)).toMatchObject({
      writes: { admitted: 1, unanswered: 1, aborted: 0, discarded: 1, notDiscarded: 0 },
    });
  });

  test('has it asked again when it fails, and believes a refusal', async () => {
    const { bot, token } = await recording();
    handler.agrees = undefined;
    void upload(`/undo/${bot.call}/a`, token).catch(() => undefined);
    void upload(`/undo/${bot.call}/b`, token).catch(() => undefined);
    const [a, b] = [await written(`${bot.call}/a`), await written(`${bot.call}/b`)];
    const idOf = ({ headers }: Seen | Asked): unknown => headers['tallylight-write'];
    const asks = (seen: Seen): Asked[] => handler.discards.filter((one) => idOf(one) === idOf(seen));
    const stopping = bot.report('notRecording');
    (await eventually(() => asks(a)[0])).answer(503);
    (await eventually(() => asks(b)[0])).answer(409);
    await eventually(() => asks(a)[1], { what: 'the second request' });
    asks(a)[1]!.answer(200);
    expect((await stopping).status).toBe(200);
    expect(asks(b)).toHaveLength(1);
    const { writes, holders } = await interval(bot.call);
    expect(writes).toMatchObject({ unanswered: 2 });
    const [{ notDiscardedIds }] = holders as [{ notDiscardedIds: unknown[] }];
    expect(notDiscardedIds).toContain(idOf(b));
  });

  test('waits for no handler longer than the drain limit, and names what may be stored', async () => {
    const { bot, token } = await recording();
    handler.agrees = undefined;
    void upload(`/undo/${bot.call}/kept`, token).catch(() => undefined);
    const { headers } = await written(`${bot.call}/kept`);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(await interval(bot.call)).toMatchObject({
      writes: { unanswered: 1, discarded: 0, notDiscarded: 1 },
      holders: [{ notDiscardedIds: [headers['tallylight-write']] }],
    });
  });
});

describe('a write that is cut while its recording goes on', () => {
  test('since the session is lost is told so, with a status that says: again', async () => {
    const { bot, token } = await recording();
    const answered = upload(`/undo/${bot.call}/kept`, token);
    await written(`${bot.call}/kept`);
    store.break();
    try {
      expect(await answered).toMatchObject({
        status: 503,
        headers: { 'tallylight-reason': 'SessionLost', 'retry-after': '1' },
      });
      const asked = await eventually(() =>
        handler.discards.find(({ headers: of }) => of['tallylight-call'] === bot.call),
      );
      expect(asked.body).toMatchObject({ reason: 'SessionLost' });
    } finally {
      store.mend();
    }
    await eventually(
      async () => (await send(world.proxy.adminUrl, { path: '/readyz/gates' })).status === 200,
    );
    await bot.report('notRecording');
    expect(await interval(bot.call)).toMatchObject({
      holders: [{ left: 'expired', unanswered: 1, discarded: 1 }],
    });
  });

  test('since the instance leaves is told so, whole or not, and the evidence says it', async () => {
    const { bot, token } = await recording();
    const whole = upload(`/media/${bot.call}/kept`, token);
    const part = send(world.proxy.url, {
      ...{ method: 'POST', path: `/media/${bot.call}/part`, token },
      headers: { 'content-length': 1000 },
      body: Buffer.alloc(10),
    });
    await written(`${bot.call}/kept`);
    await eventually(() =>
      handler.writes.some(({ path, bytes }) => bytes === 10 && path.endsWith(`${bot.call}/part`)),
    );
    const closed = world.closeAndVerify();
    const told = { status: 503, headers: { 'tallylight-reason': 'ShuttingDown', 'retry-after': '1' } };
    expect(await Promise.all([whole, part])).toMatchObject([told, told]);
    expect((await closed).misfit).toBeNull();
    const records = (await recordsIn(world.directory)).filter(({ call }) => call === bare(bot.call));
    expect(records.map(({ event }) => event)).not.toContain('drained');
    expect(records.find(({ event }) => event === 'writesRefused')?.detail).toEqual({
      refused: { ShuttingDown: 2 },
    });
  });
});
