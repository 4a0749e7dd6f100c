import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { startFakeGraph } from '../../../src/sandbox/graph/fake-graph.ts';
import { sandboxApp, sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ settings: { controlAuth: 'graph' } });
});
afterAll(async () => {
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
});

/** A bot whose Graph token is passed on, and the one that uploads for it with a token for the proxy. */
interface Pair {
  readonly bot: Bot;
  readonly uploader: Bot;
}

async function pair(claims: Record<string, unknown> = {}): Promise<Pair> {
  const call = world.graph.incomingCall({ answered: true });
  return {
    bot: new Bot(world.proxy.url, await world.mint.mintGraphToken(claims), call),
    uploader: new Bot(world.proxy.url, await world.mint.mint(), call),
  };
}

async function recordingPair(): Promise<Pair> {
  const it = await pair();
  expect((await it.bot.report('recording')).headers['tallylight-gate']).toBe('open');
  return it;
}

const actionsOf = ({ call }: Bot, { graph } = world): (string | null)[] =>
  graph.log.filter((entry) => entry.call === call).map(({ action, asked }) => asked ?? action);

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** The right names, and no signature that Graph would take. */
const forged = (): string =>
  `${base64url({ alg: 'RS256' })}.${base64url({ tid: sandboxTenant, appid: sandboxApp })}.${'x'.repeat(64)}`;

describe('a bot’s own Graph token', () => {
  test('is passed on, and Graph is asked about it once before it opens a gate, and before every stop', async () => {
    const { bot, uploader } = await recordingPair();
    expect(actionsOf(bot)).toEqual(['getCall', 'recording']);
    expect((await uploader.upload('now', 1)).status).toBe(201);
    await bot.report('notRecording');
    await bot.report('recording');
    expect(actionsOf(bot)).toEqual(['getCall', 'recording', 'getCall', 'notRecording', 'recording']);
    expect(world.graph.log.find(({ call }) => call === bot.call)?.app).toBe(sandboxApp);
  });

  test('needs no question where Graph has accepted it for the call already', async () => {
    const { bot } = await pair();
    expect((await bot.post('keepAlive')).status).toBe(200);
    expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
    expect(actionsOf(bot)).toEqual(['keepAlive', 'recording']);
  });

  test('is not proven for another call', async () => {
    const [one, other] = [await recordingPair(), await pair()];
    const token = await world.mint.mintGraphToken();
    for (const { bot } of [one, other]) await new Bot(world.proxy.url, token, bot.call).report('recording');
    expect(actionsOf(other.bot)).toEqual(['getCall', 'recording']);
  });

  test('binds the call to whom it names, so that only they upload', async () => {
    const { bot, uploader } = await recordingPair();
    const stranger = new Bot(world.proxy.url, await world.mint.mint({ azp: randomUUID() }), bot.call);
    expect((await stranger.upload('foreign', 1)).status).toBe(403);
    expect((await uploader.upload('own', 1)).status).toBe(201);
  });

  test('that is new after an hour is proven anew', async () => {
    const { bot, uploader } = await recordingPair();
    const renewed = new Bot(world.proxy.url, await world.mint.mintGraphToken({ jti: 'later' }), bot.call);
    expect((await renewed.report('notRecording')).headers['tallylight-gate']).toBe('closed');
    expect((await uploader.upload('late', 1)).status).toBe(403);
    expect(actionsOf(bot)).toEqual(['getCall', 'recording', 'getCall', 'notRecording']);
  });
});

describe('a stranger with', () => {
  const strangers: readonly (readonly [string, () => Promise<string> | string, number])[] = [
    ['a Graph token of another application', () => world.mint.mintGraphToken({ appid: randomUUID() }), 404],
    ['a Graph token of another tenant', () => world.mint.mintGraphToken({ tid: randomUUID() }), 404],
    ['a forged token that names the right ones', forged, 401],
    ['a Graph token that has expired', () => world.mint.mintGraphToken({ exp: 1_000_000_000 }), 401],
  ];

  test.each(strangers)('%s cannot open a gate, and gets Graph’s own answer', async (_, make, status) => {
    const { bot, uploader } = await pair();
    const stranger = new Bot(world.proxy.url, await make(), bot.call);
    const answer = await stranger.report('recording');
    expect(answer.status).toBe(status);
    expect(answer.headers['tallylight-reason']).toBeUndefined();
    expect(actionsOf(bot)).not.toContain('recording');
    expect((await uploader.upload('early', 1)).status).toBe(403);
    // Nor is the call bound to the stranger now.
    expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
  });

  test.each(strangers)(
    '%s can neither close a gate, nor hang up, nor end the call',
    async (_, make, status) => {
      const { bot, uploader } = await recordingPair();
      const stranger = new Bot(world.proxy.url, await make(), bot.call);
      const upload = uploader.slowUpload('long');
      upload.send(640);
      await eventually(() =>
        world.sink.received.some(({ callId, bytes }) => callId === bot.call && bytes > 0),
      );
      expect((await stranger.report('notRecording')).status).toBe(status);
      expect((await stranger.report('failed')).status).toBe(status);
      expect((await stranger.hangUp()).status).toBe(status);
      expect((await stranger.post('keepAlive')).status).toBe(status);
      expect((await uploader.upload('still', 1)).status).toBe(201);
      upload.end();
      expect((await upload.over)?.status).toBe(201);
      expect(actionsOf(bot).filter((action) => action === 'notRecording' || action === 'hangUp')).toEqual([]);
    },
  );
});

describe('a token that names nobody', () => {
  test('is refused, unless the settings allow it', async () => {
    const { bot } = await pair();
    const opaque = new Bot(world.proxy.url, 'opaque-token', bot.call);
    const answer = await opaque.report('recording');
    expect(answer.status).toBe(401);
    expect(answer.headers['tallylight-reason']).toBe('GraphTokenUnreadable');
    expect((await opaque.post('keepAlive')).headers['tallylight-reason']).toBe('GraphTokenUnreadable');
    expect(actionsOf(bot)).toEqual([]);
  });

  test('may be used where the settings allow it: Graph says for which calls', async () => {
    const graph = await startFakeGraph({ allowAnyToken: true });
    const other = await startWorld({
      settings: { controlAuth: 'graph', opaqueGraphTokens: 'allow', graphUrl: graph.url },
    });
    try {
      const call = graph.incomingCall({ answered: true });
      const bot = new Bot(other.proxy.url, 'opaque-token', call);
      const uploader = new Bot(other.proxy.url, await other.mint.mint(), call);
      expect((await uploader.upload('early', 1)).status).toBe(403);
      expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
      expect(actionsOf(bot, { ...other, graph })).toEqual(['getCall', 'recording']);
      expect((await uploader.upload('now', 1)).status).toBe(201);
      const nowhere = new Bot(other.proxy.url, 'opaque-token', randomUUID());
      expect((await nowhere.report('recording')).status).toBe(404);
    } finally {
      await other.close();
      await graph.close();
    }
  });
});

test('a probe that Graph does not answer leaves everything as it was', async () => {
  const { bot, uploader } = await pair();
  world.graph.script({ action: 'getCall', call: bot.call, answer: 'reset' });
  const answer = await bot.report('recording');
  expect(answer.status).toBe(502);
  expect(answer.headers['tallylight-reason']).toBe('GraphUnreachable');
  expect(actionsOf(bot)).toEqual(['getCall']);
  expect((await uploader.upload('early', 1)).status).toBe(403);
});
