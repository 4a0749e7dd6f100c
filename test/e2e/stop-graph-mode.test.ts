import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { parseCallKey } from '../../src/core/call-key.ts';
import { Bot, type Reply } from '../../src/server/sandbox/bot.ts';
import { sandboxApp, sandboxTenant } from '../../src/server/sandbox/token-mint.ts';
import { eventually } from '../support/eventually.ts';
import { recordsIn } from '../support/notified-bot.ts';
import { UnsteadyGraph, type Mood } from '../support/unsteady-graph.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
const graph = new UnsteadyGraph();
beforeAll(async () => {
  await graph.open();
  world = await startWorld({
    settings: (peers) => {
      graph.target = peers.graph.url;
      return { controlAuth: 'graph', graphTimeoutMs: 600, graphUrl: graph.url };
    },
  });
});
afterEach(() => graph.calm());
afterAll(async () => {
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
  await graph.close();
});

/** What befalls requests about this call, all of them or those of one action. */
const befalls = (bot: Bot, mood: Mood, action?: string): void => {
  graph.mood = ({ url = '', method }) => {
    const [, id, rest = ''] = /\/calls\/([^/]+)\/?(.*)$/.exec(url) ?? [];
    if (id !== bot.call) return undefined;
    const asked = rest === '' && method === 'GET' ? 'getCall' : rest;
    return action === undefined || action === asked ? mood : undefined;
  };
};

interface Recording {
  readonly bot: Bot;
  readonly uploader: Bot;
  /** An upload that goes on. */
  readonly stream: ReturnType<Bot['slowUpload']>;
}

async function recording(claims: Record<string, unknown> = {}): Promise<Recording> {
  const call = world.graph.incomingCall({ answered: true });
  const bot = new Bot(world.proxy.url, await world.mint.mintGraphToken(claims), call);
  const uploader = new Bot(world.proxy.url, await world.mint.mint(), call);
  expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
  const stream = uploader.slowUpload('long');
  stream.send(640);
  await eventually(() => world.sink.received.some(({ callId, bytes }) => callId === call && bytes > 0));
  return { bot, uploader, stream };
}

const asked = ({ call }: Bot): string[] =>
  world.graph.log
    .filter((entry) => entry.call === call)
    .map(({ action, asked: status }) => String(status ?? action));

const events = async ({ call }: Bot): Promise<string[]> =>
  (await recordsIn(world.directory))
    .filter((record) => record.call === parseCallKey(call))
    .map(({ event }) => event);

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** The right names, and no signature that Graph would take. */
const forged = (call: string, name = 'x'): Bot =>
  new Bot(
    world.proxy.url,
    `${base64url({ alg: 'RS256', name })}.${base64url({ tid: sandboxTenant, appid: sandboxApp })}.${'x'.repeat(64)}`,
    call,
  );

const stops: readonly (readonly [string, (bot: Bot) => Promise<Reply>, string])[] = [
  ['notRecording', (bot) => bot.report('notRecording'), 'notRecording'],
  ['failed', (bot) => bot.report('failed'), 'failed'],
  ['a hang-up', (bot) => bot.hangUp(), 'hangUp'],
];

describe('a token that Graph refuses by now', () => {
  test.each(stops)('and had accepted before: %s with it closes nothing', async (_, stop) => {
    const { bot, uploader, stream } = await recording();
    befalls(bot, 401);
    expect((await stop(bot)).status).toBe(401);
    graph.calm();
    expect((await uploader.upload('still', 1)).status).toBe(201);
    stream.end();
    expect((await stream.over)?.status).toBe(201);
    await eventually(async () => (await events(bot)).includes('startConfirmed'));
    expect(await events(bot)).not.toContain('stopRequested');
  });

  test('is not proven any more for whatever Graph is not asked about again', async () => {
    const { bot } = await recording();
    befalls(bot, 401, 'keepAlive');
    expect((await bot.post('keepAlive')).status).toBe(401);
    expect((await bot.report('recording')).status).toBe(200);
    expect(asked(bot)).toEqual(['getCall', 'recording', 'getCall', 'recording']);
  });

  test('by its own end is asked about every time', async () => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    const { bot } = await recording({ exp });
    await eventually(() => Date.now() > (exp + 0.1) * 1000);
    expect((await bot.report('recording')).status).toBe(401);
    expect(asked(bot).filter((action) => action === 'recording')).toHaveLength(1);
  });
});

const silences = [
  ['does not answer', 'none'],
  ['breaks the connection', 'reset'],
  ['answers 503', 503],
  ['answers 408', 408],
] as const;

describe('while Graph itself', () => {
  describe.each(silences)('%s', (_, mood) => {
    test.each(stops)(
      '%s closes the gate, and is sent once Graph has accepted the token',
      async (__, stop, name) => {
        const { bot, uploader, stream } = await recording();
        const renewed = new Bot(
          world.proxy.url,
          await world.mint.mintGraphToken({ jti: randomUUID() }),
          bot.call,
        );
        befalls(bot, mood, 'getCall');
        const answered = await stop(renewed);
        expect([408, 502, 503, 504]).toContain(answered.status);
        expect(await uploader.upload('late', 1)).toMatchObject({
          status: 403,
          headers: { 'tallylight-reason': 'RecordingNotActive' },
        });
        // Cut at the drain limit.
        expect((await stream.over)?.status ?? 403).not.toBe(201);
        expect(asked(bot)).not.toContain(name);
        graph.calm();
        await eventually(() => asked(bot).includes(name));
        expect((await uploader.upload('late', 1)).status).toBe(403);
        await eventually(async () => (await events(bot)).includes('stopConfirmed'));
        expect((await events(bot)).filter((event) => event.startsWith('stop'))).toEqual(
          expect.arrayContaining(['stopUnproven', 'stopRequested', 'stopConfirmed']),
        );
      },
    );
  });

  test('is silent, a forged token closes until Graph refuses it, and the same recording goes on', async () => {
    const { bot, uploader, stream } = await recording();
    befalls(bot, 500, 'getCall');
    expect((await forged(bot.call).report('notRecording')).status).toBe(500);
    expect((await uploader.upload('held', 1)).status).toBe(403);
    await stream.over;
    graph.calm();
    await eventually(async () => (await uploader.upload('again', 1)).status === 201);
    await eventually(async () => (await events(bot)).includes('stopUnproven'));
    expect(await events(bot)).not.toContain('stopRequested');
    expect(asked(bot)).not.toContain('notRecording');
    // And the stop of the bot itself is a stop.
    expect((await bot.report('notRecording')).status).toBe(200);
    expect((await uploader.upload('late', 1)).status).toBe(403);
  });

  test.each([
    ['another application', { appid: randomUUID() }],
    ['another tenant', { tid: randomUUID() }],
  ])('is silent, a token of %s closes nothing', async (_, claims) => {
    const { bot, uploader, stream } = await recording();
    befalls(bot, 500, 'getCall');
    const stranger = new Bot(world.proxy.url, await world.mint.mintGraphToken(claims), bot.call);
    expect((await stranger.report('notRecording')).status).toBe(500);
    expect((await stranger.hangUp()).status).toBe(500);
    expect((await uploader.upload('still', 1)).status).toBe(201);
    stream.end();
    expect((await stream.over)?.status).toBe(201);
  });

  test('is silent, a start closes nothing', async () => {
    const { bot, uploader, stream } = await recording();
    befalls(bot, 500, 'getCall');
    const renewed = new Bot(
      world.proxy.url,
      await world.mint.mintGraphToken({ jti: randomUUID() }),
      bot.call,
    );
    expect((await renewed.report('recording')).status).toBe(500);
    expect((await uploader.upload('still', 1)).status).toBe(201);
    stream.end();
    await stream.over;
  });

  test('has too much to do (429), nothing closes', async () => {
    const { bot, uploader, stream } = await recording();
    befalls(bot, 429, 'getCall');
    expect((await forged(bot.call).report('notRecording')).status).toBe(429);
    expect((await uploader.upload('still', 1)).status).toBe(201);
    stream.end();
    await stream.over;
  });

  test.each([
    ['is silent', 500],
    ['has too much to do', 429],
    ['times out', 408],
    ['does not like the look-up', 400],
    ['says that something is in the way', 409],
    ['points elsewhere', 307],
  ])('%s (%i), a token that it has accepted before stops at once', async (_, mood) => {
    const { bot, uploader } = await recording();
    befalls(bot, mood, 'getCall');
    expect((await bot.report('notRecording')).status).toBe(200);
    expect((await uploader.upload('late', 1)).status).toBe(403);
    expect(asked(bot)).toContain('notRecording');
  });
});
