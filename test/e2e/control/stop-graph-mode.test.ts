import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { eventually } from '../../support/eventually.ts';
import { GraphModeTestBed, stops, type Recording } from '../../support/graph-mode.ts';

const testBed = new GraphModeTestBed();
beforeAll(() => testBed.open({ graphTimeoutMs: 600 }));
afterEach(() => testBed.graph.calm());
afterAll(() => testBed.close());

describe('a token that Graph refuses by now', () => {
  test.each(stops)('and had accepted before: %s with it closes nothing', async (_, stop) => {
    const { bot, uploader, stream } = await testBed.recording();
    testBed.befalls(bot, 401);
    expect((await stop(bot)).status).toBe(401);
    testBed.graph.calm();
    expect((await uploader.upload('still', 1)).status).toBe(201);
    stream.end();
    expect((await stream.over)?.status).toBe(201);
    await eventually(async () => (await testBed.events(bot)).includes('startConfirmed'));
    expect(await testBed.events(bot)).not.toContain('stopRequested');
  });

  test('is not proven any more for whatever Graph is not asked about again', async () => {
    const { bot } = await testBed.recording();
    testBed.befalls(bot, 401, 'keepAlive');
    expect((await bot.post('keepAlive')).status).toBe(401);
    expect((await bot.report('recording')).status).toBe(200);
    expect(testBed.asked(bot)).toEqual(['getCall', 'recording', 'getCall', 'recording']);
  });

  test('by its own end is asked about every time', async () => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    const { bot } = await testBed.recording({ exp });
    await eventually(() => Date.now() > (exp + 0.1) * 1000);
    expect((await bot.report('recording')).status).toBe(401);
    expect(testBed.asked(bot).filter((action) => action === 'recording')).toHaveLength(1);
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
        const { bot, uploader, stream } = await testBed.recording();
        const renewed = await testBed.renewed(bot);
        testBed.befalls(bot, mood, 'getCall');
        const answered = await stop(renewed);
        expect([408, 502, 503, 504]).toContain(answered.status);
        expect(await uploader.upload('late', 1)).toMatchObject({
          status: 403,
          headers: { 'tallylight-reason': 'RecordingNotActive' },
        });
        // Cut at the drain limit.
        expect((await stream.over)?.status ?? 403).not.toBe(201);
        expect(testBed.asked(bot)).not.toContain(name);
        testBed.graph.calm();
        await eventually(() => testBed.asked(bot).includes(name));
        expect((await uploader.upload('late', 1)).status).toBe(403);
        await eventually(async () => (await testBed.events(bot)).includes('stopConfirmed'));
        expect((await testBed.events(bot)).filter((event) => event.startsWith('stop'))).toEqual(
          expect.arrayContaining(['stopUnproven', 'stopRequested', 'stopConfirmed']),
        );
      },
    );
  });

  test('is silent, a forged token closes until Graph refuses it, and the same recording goes on', async () => {
    const { bot, uploader, stream } = await testBed.recording();
    testBed.befalls(bot, 500, 'getCall');
    expect((await testBed.forged(bot).report('notRecording')).status).toBe(500);
    expect((await uploader.upload('held', 1)).status).toBe(403);
    await stream.over;
    testBed.graph.calm();
    await eventually(async () => (await uploader.upload('again', 1)).status === 201);
    await eventually(async () => (await testBed.events(bot)).includes('stopUnproven'));
    expect(await testBed.events(bot)).not.toContain('stopRequested');
    expect(testBed.asked(bot)).not.toContain('notRecording');
    // And the stop of the bot itself is a stop.
    expect((await bot.report('notRecording')).status).toBe(200);
    expect((await uploader.upload('late', 1)).status).toBe(403);
  });

  test.each([
    ['another application', { appid: randomUUID() }],
    ['another tenant', { tid: randomUUID() }],
  ])('is silent, a token of %s closes nothing', async (_, claims) => {
    const { bot, uploader, stream } = await testBed.recording();
    testBed.befalls(bot, 500, 'getCall');
    const stranger = new Bot(
      testBed.world.proxy.url,
      await testBed.world.mint.mintGraphToken(claims),
      bot.call,
    );
    expect((await stranger.report('notRecording')).status).toBe(500);
    expect((await stranger.hangUp()).status).toBe(500);
    expect((await uploader.upload('still', 1)).status).toBe(201);
    stream.end();
    expect((await stream.over)?.status).toBe(201);
  });

  test('is silent, a start closes nothing', async () => {
    const { bot, uploader, stream } = await testBed.recording();
    testBed.befalls(bot, 500, 'getCall');
    const renewed = await testBed.renewed(bot);
    expect((await renewed.report('recording')).status).toBe(500);
    expect((await uploader.upload('still', 1)).status).toBe(201);
    stream.end();
    await stream.over;
  });

  test('has too much to do (429), nothing closes', async () => {
    const { bot, uploader, stream } = await testBed.recording();
    testBed.befalls(bot, 429, 'getCall');
    expect((await testBed.forged(bot).report('notRecording')).status).toBe(429);
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
    const { bot, uploader } = await testBed.recording();
    testBed.befalls(bot, mood, 'getCall');
    expect((await bot.report('notRecording')).status).toBe(200);
    expect((await uploader.upload('late', 1)).status).toBe(403);
    expect(testBed.asked(bot)).toContain('notRecording');
  });
});

/** What an answer to the look at a call means for a stop: with a token that is new, accepted before, or held meanwhile. */
const meanings = [
  { status: 307, fresh: 'open', before: 'stopped', held: 'open' },
  { status: 400, fresh: 'open', before: 'stopped', held: 'open' },
  { status: 401, fresh: 'open', before: 'open', held: 'open' },
  { status: 403, fresh: 'open', before: 'stopped', held: 'open' },
  { status: 404, fresh: 'ended', before: 'ended', held: 'ended' },
  { status: 409, fresh: 'open', before: 'stopped', held: 'open' },
  { status: 410, fresh: 'ended', before: 'ended', held: 'ended' },
  { status: 429, fresh: 'open', before: 'stopped', held: 'held' },
] as const;

/** Waits until it is so. */
async function becomes(
  { bot, uploader }: Recording,
  end: 'open' | 'stopped' | 'ended' | 'held',
): Promise<void> {
  const status = end === 'open' ? 201 : 403;
  await eventually(async () => (await uploader.upload('now', 1)).status === status);
  await eventually(async () => {
    const events = await testBed.events(bot);
    return (
      events.includes('ended') === (end === 'ended') &&
      events.includes('stopConfirmed') === (end === 'stopped') &&
      (end !== 'held' || events.includes('stopUnproven'))
    );
  });
}

describe.each(meanings)('a look at the call that Graph answers with $status', (meaning) => {
  const { status } = meaning;

  test(`leaves the recording ${meaning.fresh} for a token that it has not seen`, async () => {
    const recorded = await testBed.recording();
    const renewed = await testBed.renewed(recorded.bot);
    testBed.befalls(recorded.bot, status, 'getCall');
    expect((await renewed.report('notRecording')).status).toBe(status);
    await becomes(recorded, meaning.fresh);
    recorded.stream.end();
    await recorded.stream.over;
  });

  test(`leaves it ${meaning.before} for a token that it has accepted before`, async () => {
    const recorded = await testBed.recording();
    testBed.befalls(recorded.bot, status, 'getCall');
    expect((await recorded.bot.report('notRecording')).status).toBe(
      meaning.before === 'stopped' ? 200 : status,
    );
    await becomes(recorded, meaning.before);
    recorded.stream.end();
    await recorded.stream.over;
  });

  test(`leaves it ${meaning.held} for one that was held closed while Graph was silent`, async () => {
    const recorded = await testBed.recording();
    const renewed = await testBed.renewed(recorded.bot);
    testBed.befalls(recorded.bot, 503, 'getCall');
    expect((await renewed.report('notRecording')).status).toBe(503);
    await becomes(recorded, 'held');
    let asked = 0;
    testBed.befalls(recorded.bot, status, 'getCall');
    const { mood } = testBed.graph;
    testBed.graph.mood = (req) => {
      const befalls = mood(req);
      if (befalls !== undefined) asked += 1;
      return befalls;
    };
    await eventually(() => asked > 0);
    await becomes(recorded, meaning.held);
    await recorded.stream.over;
  });
});
