import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import { startWorld, type World } from '../../support/world.ts';

const frameBytes = 640;
const frameMs = 20;
const segmentBytes = 4 * 1024 * 1024;

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.close();
});

/** 16 kHz audio as the sample's sockets deliver it: one frame every 20 ms, each an upload of its own. */
async function audio(bot: Bot, frames: number): Promise<number[]> {
  const answers: Promise<number>[] = [];
  while (answers.length < frames) {
    await sleep(frameMs);
    answers.push(bot.upload('audio', frameBytes).then(({ status }) => status));
  }
  return Promise.all(answers);
}

const all = (status: number, count: number): number[] => Array.from({ length: count }, () => status);
const stored = (bot: Bot): number =>
  world.sink.received
    .filter(({ callId, complete }) => callId === bot.call && complete)
    .reduce((sum, { bytes }) => sum + bytes, 0);

// The order of events of Microsoft's public policy-recording sample: audio is subscribed before the call is
// established, the status is sent without waiting for it, and flips while media goes on.
test('a bot in the order of the public policy-recording sample keeps only what it may', async () => {
  const bot = await world.bot({ answered: false });
  expect(
    (
      await bot.post('answer', {
        callbackUri: 'https://bot.example/api/calls',
        acceptedModalities: ['audio'],
      })
    ).status,
  ).toBe(202);
  expect(await audio(bot, 10)).toEqual(all(403, 10));

  const first = bot.report('recording');
  const during = audio(bot, 5);
  expect((await first).status).toBe(200);
  await during;
  const before = stored(bot);
  expect(await audio(bot, 25)).toEqual(all(201, 25));
  expect((await bot.upload('segment', segmentBytes)).status).toBe(201);
  expect(stored(bot) - before).toBe(25 * frameBytes + segmentBytes);
  expect((await bot.post('microsoft.graph.keepAlive')).status).toBe(200);

  // The sample's demonstration: recording, notRecording, failed, and at last the observed participant goes.
  expect((await bot.report('recording')).status).toBe(200);
  expect(await audio(bot, 5)).toEqual(all(201, 5));
  expect((await bot.report('notRecording')).status).toBe(200);
  const kept = stored(bot);
  expect(await audio(bot, 5)).toEqual(all(403, 5));
  expect((await bot.report('recording')).status).toBe(200);
  expect((await bot.upload('segment', segmentBytes)).status).toBe(201);
  expect((await bot.report('failed')).status).toBe(200);
  expect(await audio(bot, 5)).toEqual(all(403, 5));
  expect(stored(bot) - kept).toBe(segmentBytes);

  world.graph.endCall(bot.call);
  expect((await bot.post('keepAlive')).status).toBe(404);
  expect((await bot.report('recording')).status).toBe(404);
  expect(await audio(bot, 3)).toEqual(all(403, 3));

  const { misfit, intervals } = await world.closeAndVerify();
  expect(misfit).toBeNull();
  expect(intervals).toBe(2);
});
