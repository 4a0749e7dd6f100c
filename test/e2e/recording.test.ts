import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.close();
});

describe('a bot that records through the proxy', () => {
  test('is refused before the notice, stored while it stands, and refused after it', async () => {
    const bot = await world.bot();
    const early = await bot.upload('early', 640);
    expect(early.status).toBe(403);
    expect(early.headers['tallylight-reason']).toBe('RecordingNotActive');

    const started = await bot.report('recording');
    expect(started.status).toBe(200);
    expect(started.headers['tallylight-gate']).toBe('open');
    expect(started.headers.location).toMatch(new RegExp(`^${world.proxy.url}/v1.0/communications/calls/`));
    expect(world.graph.recordingState(bot.call)).toBe('recording');

    expect((await bot.upload('first', 640)).status).toBe(201);
    const stopped = await bot.report('notRecording');
    expect(stopped.status).toBe(200);
    expect(stopped.headers['tallylight-gate']).toBe('closed');
    expect(world.graph.recordingState(bot.call)).toBe('notRecording');
    expect((await bot.upload('late', 640)).status).toBe(403);
    expect(world.sink.received.filter(({ callId }) => callId === bot.call).map(({ path }) => path)).toEqual([
      `${bot.call}/first`,
    ]);
  });

  test('has its upload cut before Graph hears of the stop', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    const upload = bot.slowUpload('long');
    upload.send(64_000);
    const write = await eventually(() =>
      world.sink.received.find(({ callId, bytes }) => callId === bot.call && bytes > 0),
    );
    expect((await bot.report('notRecording')).status).toBe(200);
    expect((await upload.over)?.headers['tallylight-reason'] ?? 'RecordingStopped').toBe('RecordingStopped');
    await eventually(() => write.endedAt !== null);
    const stop = world.graph.log.find(({ call, asked }) => call === bot.call && asked === 'notRecording');
    expect(write.complete).toBe(false);
    expect(write.lastByteAt).toBeLessThan(stop?.receivedAt ?? 0);
  });

  test('may finish a write that was accepted within the drain limit', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    const upload = bot.slowUpload('short');
    upload.send(640);
    await eventually(() => world.sink.received.some(({ callId, bytes }) => callId === bot.call && bytes > 0));
    const stopping = bot.report('notRecording');
    await eventually(async () => (await bot.upload('late', 1)).status === 403);
    upload.end();
    expect((await upload.over)?.status).toBe(201);
    expect((await stopping).status).toBe(200);
  });
});
