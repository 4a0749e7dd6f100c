import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { frameOf, opcodes } from '../../../src/core/http/websocket.ts';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { openStream } from '../../../src/sandbox/bot/websocket-client.ts';
import { sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { acceptWebSocket } from '../../../src/sandbox/websocket-handler.ts';
import { collectedLog } from '../../support/collected-log.ts';
import { eventually } from '../../support/eventually.ts';
import { recordsIn } from '../../support/notified-bot.ts';
import { send } from '../../support/raw-http.ts';
import { startStreamHandler, type StreamHandler } from '../../support/stream-handler.ts';
import { startWorld, type World } from '../../support/world.ts';

const other = '55555555-5555-4555-8555-555555555555';
const log = collectedLog();
const until = Date.now() + 60 * 60_000;
let world: World;
let handler: StreamHandler;

beforeAll(async () => {
  handler = await startStreamHandler();
  world = await startWorld({
    log,
    settings: ({ sink }) => ({
      observation: { until, tenants: [sandboxTenant] },
      mediaRoutes: [
        { path: '/media/{callId}/*', upstream: sink.url, methods: ['POST'], reads: 'whileRecording' },
        {
          path: '/live/{callId}',
          upstream: handler.url,
          methods: ['POST'],
          reads: 'refuse',
          websocket: true,
        },
      ],
    }),
  });
});
afterAll(async () => {
  await world.close();
  await handler.close();
});

const metric = async (line: string): Promise<number> => {
  const { body } = await send(world.proxy.adminUrl, { path: '/metrics' });
  const found = body.split('\n').find((each) => each.startsWith(`${line} `));
  return Number(found?.slice(line.length + 1));
};

/** A bot of another tenant, with a call of its own. */
const foreign = async (): Promise<Bot> =>
  new Bot(
    world.proxy.url,
    await world.mint.mint({ tid: other }),
    world.graph.incomingCall({ answered: true }),
  );

describe('a proxy that observes', () => {
  test('stores what it would refuse, tells its handler of no recording, and counts it', async () => {
    const bot = await world.bot();
    const before = await metric('tallylight_observed_writes_total{reason="RecordingNotActive"}');
    expect((await bot.upload('early', 640)).status).toBe(201);
    expect(world.sink.received.filter(({ path }) => path.includes(bot.call))).toMatchObject([
      { bytes: 640, complete: true },
    ]);
    expect(await metric('tallylight_observed_writes_total{reason="RecordingNotActive"}')).toBe(before + 1);
    expect(
      await metric('tallylight_gate_decisions_total{surface="media",reason="observed"}'),
    ).toBeGreaterThan(0);
    expect(log.lines.filter(({ text }) => text.startsWith('a write would have been refused'))).toContainEqual(
      expect.objectContaining({ level: 'warn', facts: expect.objectContaining({ call: bot.call }) }),
    );
  });

  test('does so over a WebSocket, which no stop ends', async () => {
    const bot = await world.bot();
    const heads: IncomingHttpHeaders[] = [];
    handler.onUpgrade = (req, socket) => {
      heads.push(req.headers);
      acceptWebSocket(req, socket);
    };
    const stream = openStream(`${world.proxy.url}/live/${bot.call}`, { token: await world.mint.mint() });
    await stream.opened;
    const held = handler.streams.at(-1)!;
    expect(heads).toMatchObject([{ 'tallylight-write': expect.any(String) }]);
    expect(heads[0]).not.toHaveProperty('tallylight-epoch');
    expect((await bot.report('recording')).status).toBe(200);
    expect((await bot.report('notRecording')).status).toBe(200);
    stream.write(frameOf(opcodes.binary, Buffer.from('after'), Buffer.from([9, 8, 7, 6])));
    await eventually(() => held.frames.length === 1, { what: 'a frame after the stop' });
    stream.close(1000);
    await stream.over;
  });

  test('refuses every other tenant, strangers, and what a policy or a route refuses', async () => {
    expect((await (await foreign()).upload('early', 640)).status).toBe(403);
    const bot = await world.bot();
    const stranger = new Bot(world.proxy.url, await world.mint.mint({ tid: other }), bot.call);
    expect((await bot.post('keepAlive', {})).status).toBe(200);
    expect((await stranger.upload('early', 640)).status).toBe(403);
    expect((await new Bot(world.proxy.url, 'no token', bot.call).upload('early', 640)).status).toBe(401);
    // Reads store nothing: the laws are not about them, the route is.
    expect(
      (
        await send(world.proxy.url, {
          path: `/media/${bot.call}/early`,
          headers: { authorization: `Bearer ${await world.mint.mint()}` },
        })
      ).status,
    ).toBe(403);
    expect((await bot.post('updateMetadata', { metadata: 'x' })).status).toBe(403);
  });

  test('says so wherever somebody looks', async () => {
    expect(await metric('tallylight_enforcing')).toBe(0);
    const { status, body } = await send(world.proxy.adminUrl, { path: '/readyz/gates' });
    expect([status, JSON.parse(body)]).toEqual([
      200,
      { signalling: true, gates: true, enforcing: false, observeUntil: new Date(until).toISOString() },
    ]);
    expect(log.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', text: expect.stringContaining('the gate only observes') }),
    );
  });

  test('leaves evidence that claims no enforcement for that tenant, and none but that for others', async () => {
    const bot = await world.bot();
    expect((await bot.report('recording')).status).toBe(200);
    expect((await bot.upload('part', 640)).status).toBe(201);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect((await bot.upload('late', 640)).status).toBe(201);
    const another = await foreign();
    expect((await another.report('recording')).status).toBe(200);
    expect((await another.report('notRecording')).status).toBe(200);
    const report = await world.closeAndVerify();
    expect(report).toMatchObject({ ok: true });
    expect(report.observedWrites).toBeGreaterThanOrEqual(3);
    const records = await recordsIn(world.directory);
    const of = (call: string): boolean[] => [
      ...new Set(
        records.filter((record) => record.call === call.replaceAll('-', '')).map(({ enforced }) => enforced),
      ),
    ];
    expect(of(bot.call)).toEqual([false]);
    expect(of(another.call)).toEqual([true]);
    expect(report.notEnforced).toBeGreaterThanOrEqual(2);
    expect(records.at(-1)).toBeDefined();
    expect(
      records
        .filter(({ call }) => call === bot.call.replaceAll('-', ''))
        .map(({ detail }) => detail.observed),
    ).toContainEqual({ RecordingNotActive: 1 });
  });
});
