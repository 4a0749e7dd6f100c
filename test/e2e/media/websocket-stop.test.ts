import { request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { frameOf, opcodes } from '../../../src/core/http/websocket.ts';
import type { Store } from '../../../src/core/ports/store.ts';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import { openStream, type Stream } from '../../../src/sandbox/bot/websocket-client.ts';
import { breakable, type BreakableStore } from '../../../src/sandbox/breakable-store.ts';
import { acceptWebSocket } from '../../../src/sandbox/websocket-handler.ts';
import { defaultLimits } from '../../../src/settings/limits.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { eventually } from '../../support/eventually.ts';
import { recordsIn } from '../../support/notified-bot.ts';
import { send } from '../../support/raw-http.ts';
import { standstill } from '../../support/standstill.ts';
import {
  closing,
  type HeldStream,
  plainFrame,
  startStreamHandler,
  type StreamHandler,
} from '../../support/stream-handler.ts';
import { startWorld, verifyEvidence, type World } from '../../support/world.ts';

let world: World;
let store: Store;
let handler: StreamHandler;
const liveRoute = () =>
  ({
    path: '/live/{callId}',
    upstream: handler.url,
    methods: ['POST'],
    reads: 'refuse',
    websocket: true,
  }) as const;
let token: string;
beforeAll(async () => {
  handler = await startStreamHandler();
  store = memoryStore({ livedMs: Infinity });
  world = await startWorld({
    openStore: () => store,
    settings: ({ sink }) => ({
      mediaRoutes: [
        { path: '/media/{callId}/*', upstream: sink.url, methods: ['POST'], reads: 'pass', websocket: true },
        liveRoute(),
      ],
      drainMs: 3000,
      limits: { ...defaultLimits, mediaIdleMs: 5000 },
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

interface Open {
  readonly bot: Bot;
  readonly stream: Stream;
  readonly held: HeldStream;
}

async function openOne(place = world): Promise<Open> {
  const bot = await place.bot();
  expect((await bot.report('recording')).status).toBe(200);
  const stream = openStream(`${place.proxy.url}/live/${bot.call}`, { token: await place.mint.mint() });
  await stream.opened;
  return { bot, stream, held: handler.streams.at(-1)! };
}

const stopped = { code: 1008, reason: 'RecordingStopped' };
const mask = Buffer.from([9, 8, 7, 6]);
const frame = (text: string): Buffer => frameOf(opcodes.binary, Buffer.from(text), mask);
const stopSentAt = (call: string): number =>
  world.graph.log.find(
    (entry) => entry.asked === 'notRecording' && entry.call?.replaceAll('-', '') === call.replaceAll('-', ''),
  )!.receivedAt;
/** What the evidence says of the writes of a call. */
const writesOf = async (call: string): Promise<unknown> =>
  eventually(async () => {
    const records = await recordsIn(world.directory);
    return records.find(({ call: of, event }) => of === call.replaceAll('-', '') && event === 'drained')
      ?.detail.writes;
  });
const ended = async (how: string, { proxy } = world): Promise<number> => {
  const { body } = await send(proxy.adminUrl, { path: '/metrics' });
  return Number(
    new RegExp(`^tallylight_websockets_total\\{event="${how}"\\} (\\d+)$`, 'm').exec(body)?.[1] ?? 0,
  );
};

describe('when the gate closes, a WebSocket', () => {
  test('ends between two frames, with 1008 to both sides, before Graph hears of it', async () => {
    const { bot, stream, held } = await openOne();
    const before = await ended('stopped');
    stream.send('one');
    stream.send('two');
    await eventually(() => held.frames.length === 2);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(await stream.over).toEqual(stopped);
    expect(held.frames.slice(2)).toEqual([closing(1008, 'RecordingStopped')]);
    expect([held.rest.length, held.ended]).toEqual([0, 'fin']);
    expect(held.lastByteAt).toBeLessThan(stopSentAt(bot.call));
    expect(await writesOf(bot.call)).toEqual({
      admitted: 1,
      aborted: 0,
      unanswered: 0,
      refused: 0,
      bytes: 6,
    });
    expect(await ended('stopped')).toBe(before + 1);
  });

  test('whose client leaves in the middle of a frame does not end normally for the handler', async () => {
    const { bot, stream, held } = await openOne();
    const socket = await stream.socket;
    // It answers no Close frame.
    socket.removeAllListeners('data').on('data', () => undefined);
    stream.write(frame('in flight').subarray(0, 9));
    await eventually(() => held.received.length === 9);
    const report = bot.report('notRecording');
    await eventually(
      async () => (await store.calls.read(bot.call.replaceAll('-', '') as never)).state?.state === 'stopping',
    );
    socket.destroy();
    expect((await report).status).toBe(200);
    expect([held.frames, held.received.length]).toEqual([[], 9]);
    expect(await writesOf(bot.call)).toMatchObject({ aborted: 1, bytes: 3 });
  });

  test('in whose frame the stop falls ends after that frame', async () => {
    const { bot, held } = await openOne();
    const raw = openStream(`${world.proxy.url}/live/${bot.call}`, { token });
    const socket = await raw.socket;
    // Only bytes that the test says go out: this client answers no Close frame.
    socket.removeAllListeners('data').on('data', () => undefined);
    const mine = handler.streams.at(-1)!;
    expect(mine).not.toBe(held);
    const half = frame('in flight');
    socket.write(half.subarray(0, 9));
    await eventually(() => mine.received.length === 9);
    const report = bot.report('notRecording');
    await eventually(
      async () => (await store.calls.read(bot.call.replaceAll('-', '') as never)).state?.state === 'stopping',
    );
    await eventually(() => held.ended);
    socket.write(Buffer.concat([half.subarray(9), frame('too late'), frame('too late')]));
    expect((await report).status).toBe(200);
    expect(mine.frames).toEqual([
      { opcode: opcodes.binary, payload: 'in flight' },
      closing(1008, 'RecordingStopped'),
    ]);
    expect([mine.rest.length, mine.ended]).toEqual([0, 'fin']);
    expect(await writesOf(bot.call)).toMatchObject({ admitted: 2, aborted: 0, bytes: 9 });
  });

  test('whose frame does not end is cut at the drain limit', async () => {
    const { bot, held } = await openOne();
    const raw = openStream(`${world.proxy.url}/live/${bot.call}`, { token });
    const socket = await raw.socket;
    socket.removeAllListeners('data').on('data', () => undefined);
    const mine = handler.streams.at(-1)!;
    socket.write(frame('never ends').subarray(0, 9));
    await eventually(() => mine.received.length === 9);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(held.frames).toEqual([closing(1008, 'RecordingStopped')]);
    await eventually(() => mine.ended === 'reset');
    expect(mine.received).toHaveLength(9);
    await raw.over;
    expect(await writesOf(bot.call)).toMatchObject({ admitted: 2, aborted: 1, bytes: 3 });
  });

  test('whose handler does not answer its end is cut at the drain limit', async () => {
    const { bot, stream, held } = await openOne();
    handler.answersClose = false;
    stream.send('one');
    await eventually(() => held.frames.length === 1);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(await stream.over).toEqual(stopped);
    await eventually(() => held.ended === 'reset');
    expect(held.lastByteAt).toBeLessThan(stopSentAt(bot.call));
    expect(await writesOf(bot.call)).toMatchObject({ aborted: 0, unanswered: 1, bytes: 3 });
  });

  test('that its handler has not agreed to yet is not begun', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    handler.onUpgrade = () => undefined;
    const count = handler.streams.length;
    const stream = openStream(`${world.proxy.url}/live/${bot.call}`, { token });
    await eventually(() => handler.streams.length > count);
    expect((await bot.report('notRecording')).status).toBe(200);
    const refused = await stream.opened.catch((error: unknown) => (error as Error).cause);
    expect(refused).toMatchObject({ status: 403, headers: { 'tallylight-reason': 'RecordingStopped' } });
    expect(handler.streams.at(-1)!.received).toHaveLength(0);
  });

  test('may be opened again for the next recording', async () => {
    const { bot, stream } = await openOne();
    await bot.report('notRecording');
    await stream.over;
    await bot.report('recording');
    const next = openStream(`${world.proxy.url}/live/${bot.call}`, { token });
    await next.opened;
    next.close();
    expect(await next.over).toEqual({ code: 1000, reason: '' });
  });

  test('that a hang-up ends is told the same', async () => {
    const { bot, stream, held } = await openOne();
    expect((await bot.hangUp()).status).toBe(204);
    expect(await stream.over).toEqual(stopped);
    expect(held.frames).toEqual([closing(1008, 'RecordingStopped')]);
  });
});

describe('a stream that outlives its grant', () => {
  let brief: World;
  let breaks: BreakableStore;
  beforeAll(async () => {
    breaks = breakable(memoryStore({ livedMs: Infinity }));
    brief = await startWorld({
      openStore: () => breaks,
      settings: () => ({ mediaRoutes: [liveRoute()], sessionTtlMs: 1000 }),
    });
  });
  afterAll(() => brief.close());
  afterEach(async () => {
    breaks.mend();
    await eventually(
      async () => (await send(brief.proxy.adminUrl, { path: '/readyz/gates' })).status === 200,
    );
  });

  test('is cut as a WebSocket, and nothing of it reaches the handler after', async () => {
    const { stream, held } = await openOne(brief);
    breaks.break();
    const feed = setInterval(() => stream.send('more'), 5);
    expect(await stream.over).toEqual({ code: 1013, reason: 'SessionLost' });
    clearInterval(feed);
    await eventually(() => held.ended === 'reset');
    expect(held.frames.filter(({ opcode }) => opcode === opcodes.close)).toEqual([]);
    await eventually(async () => (await ended('cut', brief)) === 1);
  });

  test('is cut as a chunked upload', async () => {
    const bot = await brief.bot();
    expect((await bot.report('recording')).status).toBe(200);
    const headers = {
      authorization: `Bearer ${await brief.mint.mint()}`,
      'transfer-encoding': 'chunked',
    };
    const upload = request(`${brief.proxy.url}/live/${bot.call}`, { method: 'POST', agent: false, headers });
    const over = new Promise((resolve) => {
      upload.on('response', (res) => resolve(res.headers['tallylight-reason']));
      upload.on('error', resolve);
    });
    upload.write('begun');
    breaks.break();
    const feed = setInterval(() => upload.write('more'), 5);
    await over;
    clearInterval(feed);
    upload.destroy();
  });
});

describe('a WebSocket', () => {
  test('that moves in neither direction ends', async () => {
    const { stream, held } = await openOne();
    expect(await stream.over).toEqual({ code: 1001, reason: 'Idle' });
    expect(held.frames).toEqual([closing(1001, 'Idle')]);
  });

  test('whose client breaks the rules ends before the frame that does', async () => {
    const { bot, stream, held } = await openOne();
    stream.write(Buffer.concat([frame('good'), frameOf(opcodes.text, Buffer.from('bare')), frame('after')]));
    expect(await stream.over).toEqual({ code: 1002, reason: 'a frame is not masked' });
    expect(held.frames).toEqual([
      { opcode: opcodes.binary, payload: 'good' },
      closing(1002, 'a frame is not masked'),
    ]);
    await bot.report('notRecording');
    expect(await writesOf(bot.call)).toMatchObject({ admitted: 1, aborted: 1, bytes: 4 });
  });

  test('whose handler breaks the rules ends before the frame that does', async () => {
    const { stream, held } = await openOne();
    held.socket.write(Buffer.concat([plainFrame(opcodes.text, 'good'), frame('masked')]));
    expect(await stream.over).toEqual({ code: 1002, reason: 'a frame is masked' });
    expect(stream.messages.map(String)).toEqual(['good']);
  });

  test.each(['resets', 'closes'] as const)(
    'whose client %s never ends normally for the handler',
    async (how) => {
      const { bot, stream, held } = await openOne();
      stream.send('one');
      await eventually(() => held.frames.length === 1);
      if (how === 'resets') stream.destroy();
      else (await stream.socket).end();
      await eventually(() => held.ended === (how === 'resets' ? 'reset' : 'fin'));
      expect(held.frames).toHaveLength(1);
      await bot.report('notRecording');
      expect(await writesOf(bot.call)).toMatchObject({ admitted: 1, aborted: 1, bytes: 3 });
    },
  );

  test.each(['resets', 'closes'] as const)('whose handler %s tells the client', async (how) => {
    const { bot, stream, held } = await openOne();
    if (how === 'resets') held.socket.resetAndDestroy();
    else held.socket.end();
    expect(await stream.over).toEqual({ code: 1014, reason: 'UpstreamFailed' });
    await bot.report('notRecording');
    expect(await writesOf(bot.call)).toMatchObject({ admitted: 1, aborted: 1 });
  });

  test('that its handler closes is complete when the client has answered', async () => {
    const { bot, stream, held } = await openOne();
    held.socket.write(plainFrame(opcodes.close, '\u0003\u00e8'));
    await stream.over;
    await eventually(() => held.ended);
    await bot.report('notRecording');
    expect(await writesOf(bot.call)).toMatchObject({ admitted: 1, aborted: 0 });
  });

  test('waits for a handler that is slow, and holds little of what is waiting', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    const stall = world.sink.script({ call: bot.call, then: 'stall', afterBytes: 1 });
    const stream = bot.stream('slow');
    const socket = await stream.socket;
    const big = Buffer.alloc(1_000_000, 'x');
    for (let count = 0; count < 64; count++) stream.send(big);
    await eventually(() => world.sink.received.find(({ callId }) => callId === bot.call)?.bytes);
    const left = await standstill(() => socket.writableLength, 'what the client could not send');
    expect(left).toBeGreaterThan(32_000_000);
    stall.release();
    stream.close();
    expect(await stream.over).toEqual({ code: 1000, reason: '' });
    await bot.report('notRecording');
    expect(await writesOf(bot.call)).toMatchObject({ admitted: 1, aborted: 0, bytes: 64_000_000 });
  });
});

test('the evidence of all that verifies', async () => {
  await eventually(async () => (await verifyEvidence(world.directory)).records > 0);
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
});
