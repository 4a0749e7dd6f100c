import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { breakable } from '../../../src/sandbox/breakable-store.ts';
import type { Bot, Reply } from '../../../src/sandbox/bot/bot.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { eventually } from '../../support/eventually.ts';
import { json, send } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

const store = breakable(memoryStore({ livedMs: Infinity }));
let world: World;
beforeAll(async () => {
  // Instances that lose their store here cut their writes after this time.
  world = await startWorld({ openStore: () => store, settings: { sessionTtlMs: 1000 } });
});
afterEach(() => {
  store.mend();
});
afterAll(async () => {
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
});

const actionsOf = ({ call }: Bot): (string | null)[] =>
  world.graph.log.filter((entry) => entry.call === call).map(({ action, asked }) => asked ?? action);
describe('while the store is down', () => {
  test('signalling passes, also for a call that nothing is known of', async () => {
    const bot = await world.bot({ answered: false });
    store.break();
    const path = `/v1.0/communications/calls/${bot.call}`;
    const token = await world.mint.mint();
    const answered = await bot.post('answer', { callbackUri: 'https://bot.example/callbacks' });
    expect(answered.status).toBe(202);
    expect((await bot.post('keepAlive')).status).toBe(200);
    expect((await send(world.proxy.url, { path: `${path}/participants`, token })).status).toBe(200);
    expect((await send(world.proxy.url, { path, token })).status).toBe(200);
    const created = await send(world.proxy.url, {
      method: 'POST',
      path: '/v1.0/communications/calls',
      token,
      ...json({ callbackUri: 'https://bot.example/callbacks' }),
    });
    expect(created.status).toBe(201);
  });

  test.each<[string, (bot: Bot) => Promise<Reply>, number]>([
    ['a start', (bot) => bot.report('recording'), 200],
    ['a stop', (bot) => bot.report('notRecording'), 200],
    ['a failure', (bot) => bot.report('failed'), 200],
    ['a hang-up', (bot) => bot.hangUp(), 204],
  ])('%s is not sent, and the answer says when to try again', async (_, ask, status) => {
    const bot = await world.bot();
    store.break();
    const answer = await ask(bot);
    expect(answer.status).toBe(503);
    expect(answer.headers['tallylight-reason']).toBe('StoreUnavailable');
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(actionsOf(bot)).toEqual([]);
    store.mend();
    await eventually(async () => (await ask(bot)).status === status);
  });

  test('an open gate closes within its session’s time, and its writes are cut', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    const upload = bot.slowUpload('long');
    upload.send(640);
    await eventually(() => world.sink.received.some(({ callId, bytes }) => callId === bot.call && bytes > 0));
    store.break();
    const cut = await upload.over;
    // The recording has not ended, so that is not what the bot is told.
    expect(cut?.headers['tallylight-reason'] ?? 'SessionLost').toBe('SessionLost');
    const refused = await bot.upload('blind', 1);
    expect(refused.status).toBe(503);
    expect(refused.headers['tallylight-reason']).toBe('StoreUnavailable');
    store.mend();
    await eventually(async () => (await bot.upload('again', 1)).status === 201);
  });

  test('the answer to a start that is on its way opens the gate only once the store has learnt of it', async () => {
    const bot = await world.bot();
    const held = world.graph.script({ action: 'updateRecordingStatus', call: bot.call, hold: true });
    const starting = bot.report('recording');
    await eventually(() => held.used > 0);
    store.break();
    held.release();
    await eventually(() => world.graph.recordingState(bot.call) === 'recording');
    expect((await bot.upload('early', 1)).status).not.toBe(201);
    store.mend();
    expect((await starting).headers['tallylight-gate']).toBe('open');
    await eventually(async () => (await bot.upload('now', 1)).status === 201);
  });

  test('the answer to a stop that is on its way is passed, and the next start is safe', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    const held = world.graph.script({
      action: 'updateRecordingStatus',
      call: bot.call,
      asked: 'notRecording',
      hold: true,
    });
    const stopping = bot.report('notRecording');
    await eventually(() => held.used > 0);
    store.break();
    held.release();
    expect((await stopping).status).toBe(200);
    expect((await bot.upload('late', 1)).status).not.toBe(201);
    store.mend();
    await eventually(async () => (await bot.report('recording')).headers['tallylight-gate'] === 'open');
    expect(actionsOf(bot)).toEqual(['recording', 'notRecording', 'notRecording', 'recording']);
  });
});
