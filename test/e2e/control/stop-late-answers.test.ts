import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import { eventually } from '../../support/eventually.ts';
import { GraphModeTestBed, stops, type Recording } from '../../support/graph-mode.ts';

const testBed = new GraphModeTestBed();
afterEach(() => testBed.graph.calm());

/** How an upload that begins now fares. */
const upload = async ({ uploader }: Recording): Promise<number> => (await uploader.upload('now', 1)).status;

/** Graph is asked about the token, and says nothing. */
const keepsSilent = ({ bot }: Recording): void => testBed.befalls(bot, 'none', 'getCall');

const tokens: readonly (readonly [string, (bot: Bot) => Promise<Bot>])[] = [
  ['that it has accepted before', (bot) => Promise.resolve(bot)],
  ['that it has not seen', (bot) => testBed.renewed(bot)],
];

describe('a stop whose token Graph judges late', () => {
  beforeAll(() => testBed.open({ graphTimeoutMs: 20_000, sessionTtlMs: 60_000 }));
  afterAll(() => testBed.close());

  describe.each(tokens)('(a token %s)', (_, asked) => {
    test.each(stops)('closes the gate meanwhile: %s', async (__, stop, name) => {
      const recorded = await testBed.recording();
      const { bot } = recorded;
      const asking = await asked(bot);
      keepsSilent(recorded);
      const answer = stop(asking);
      await eventually(async () => (await upload(recorded)) === 403);
      expect(testBed.asked(bot)).not.toContain(name);
      testBed.graph.becomes(undefined);
      expect((await answer).status).toBeLessThan(300);
      expect(testBed.asked(bot)).toContain(name);
      expect(await upload(recorded)).toBe(403);
      expect((await recorded.stream.over)?.status ?? 403).not.toBe(201);
    });

    test.each(stops)('and refuses closes nothing further: %s', async (__, stop) => {
      const recorded = await testBed.recording();
      const { bot } = recorded;
      const asking = await asked(bot);
      keepsSilent(recorded);
      const answer = stop(asking);
      await eventually(async () => (await upload(recorded)) === 403);
      testBed.graph.becomes(401);
      expect((await answer).status).toBe(401);
      testBed.graph.calm();
      await eventually(async () => (await upload(recorded)) === 201);
      await eventually(async () => (await testBed.events(bot)).includes('stopUnproven'));
      expect(await testBed.events(bot)).not.toContain('stopRequested');
      // And the stop of the bot itself is a stop.
      expect((await (await testBed.renewed(bot)).report('notRecording')).status).toBe(200);
      expect(await upload(recorded)).toBe(403);
    });
  });

  test('is held for two requests with the same token until both are answered', async () => {
    const recorded = await testBed.recording();
    const { bot } = recorded;
    keepsSilent(recorded);
    const answers = [bot.report('notRecording'), bot.report('notRecording')];
    await eventually(async () => (await upload(recorded)) === 403);
    testBed.graph.becomes(401);
    for (const answer of answers) expect((await answer).status).toBe(401);
    testBed.graph.calm();
    await eventually(async () => (await upload(recorded)) === 201);
  });
});

describe('a stop with a token that Graph has accepted before', () => {
  const patient = new GraphModeTestBed();
  beforeAll(() => patient.open({ graphTimeoutMs: 20_000, sessionTtlMs: 6000 }));
  afterEach(() => patient.graph.calm());
  afterAll(() => patient.close());

  test('does not wait for Graph until the other instances could not be told in time', async () => {
    const { bot, uploader, stream } = await patient.recording();
    patient.befalls(bot, 'none', 'getCall');
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(patient.graph.waiting).toBe(1);
    patient.graph.becomes(401);
    patient.graph.calm();
    // What Graph says after that comes too late: the recording is over.
    expect((await uploader.upload('late', 1)).status).toBe(403);
    await stream.over;
    await eventually(async () => (await patient.events(bot)).includes('stopConfirmed'));
  });
});
