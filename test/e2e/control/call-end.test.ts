import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import type { ScriptRule } from '../../../src/sandbox/graph/script.ts';
import { sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { openRaw, send } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

/** An application of the same tenant whose policy hangs up. */
const strictApp = '33333333-3333-4333-8333-333333333333';
let world: World;
let policyDir: string;
beforeAll(async () => {
  policyDir = await mkdtemp(join(tmpdir(), 'tallylight-policies-'));
  const strict = { name: 'strict', match: { apps: [strictApp] }, onStartRefused: 'hangUp' };
  await writeFile(join(policyDir, 'strict.json'), JSON.stringify(strict));
  world = await startWorld({ settings: { graphTimeoutMs: 800, policyDir } });
});
afterAll(async () => {
  await world.close();
  await rm(policyDir, { recursive: true });
});

async function recordingBot(): Promise<Bot> {
  const bot = await world.bot();
  expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
  return bot;
}

const actionsOf = ({ call }: Bot): (string | null)[] =>
  world.graph.log.filter((entry) => entry.call === call).map(({ action, asked }) => asked ?? action);
const isOpen = async (bot: Bot): Promise<boolean> => (await bot.upload('probe', 1)).status === 201;

/** Sends a status change and resets the connection once Graph has it. */
async function reportAndVanish(bot: Bot, status: string): Promise<void> {
  const held = world.graph.script({
    action: 'updateRecordingStatus',
    call: bot.call,
    asked: status as 'recording',
    hold: true,
  });
  const body = JSON.stringify({ status });
  const connection = openRaw(world.proxy.url);
  connection.write(
    `POST /v1.0/communications/calls/${bot.call}/updateRecordingStatus HTTP/1.1\r\nHost: proxy\r\n` +
      `Authorization: Bearer ${await world.mint.mint()}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  await eventually(() => held.used > 0);
  connection.socket.resetAndDestroy();
  await connection.closed;
  held.release();
}

describe('a bot that goes away before the answer', () => {
  test('to its start has its gate opened even so', async () => {
    const bot = await world.bot();
    await reportAndVanish(bot, 'recording');
    await eventually(() => isOpen(bot));
    expect(world.graph.recordingState(bot.call)).toBe('recording');
  });

  test('to its stop has its writes cut and the stop sent even so', async () => {
    const bot = await recordingBot();
    const upload = bot.slowUpload('long');
    upload.send(640);
    await eventually(() => world.sink.received.some(({ callId, bytes }) => callId === bot.call && bytes > 0));
    await reportAndVanish(bot, 'notRecording');
    await upload.over;
    await eventually(() => world.graph.recordingState(bot.call) === 'notRecording');
    expect(await isOpen(bot)).toBe(false);
    // The stop was taken as confirmed: a new start needs no other.
    await eventually(async () => (await bot.report('recording')).status === 200);
    expect(actionsOf(bot)).toEqual(['recording', 'notRecording', 'recording']);
  });

  test('before its stop was sent, while writes are draining, has the stop sent even so', async () => {
    const bot = await recordingBot();
    const upload = bot.slowUpload('long');
    upload.send(640);
    await eventually(() => world.sink.received.some(({ callId, bytes }) => callId === bot.call && bytes > 0));
    const connection = openRaw(world.proxy.url);
    const body = '{"status":"notRecording"}';
    connection.write(
      `POST /v1.0/communications/calls/${bot.call}/updateRecordingStatus HTTP/1.1\r\nHost: proxy\r\n` +
        `Authorization: Bearer ${await world.mint.mint()}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    await eventually(async () => !(await isOpen(bot)));
    expect(actionsOf(bot)).toEqual(['recording']);
    connection.socket.resetAndDestroy();
    await connection.closed;
    await upload.over;
    await eventually(() => world.graph.recordingState(bot.call) === 'notRecording');
  });
});

describe('a hang-up', () => {
  test('ends the writes first, and only then reaches Graph', async () => {
    const bot = await recordingBot();
    const upload = bot.slowUpload('long');
    upload.send(64_000);
    const write = await eventually(() =>
      world.sink.received.find(({ callId, bytes }) => callId === bot.call && bytes > 0),
    );
    expect((await bot.hangUp()).status).toBe(204);
    const cut = await upload.over;
    expect(cut?.headers['tallylight-reason'] ?? 'RecordingStopped').toBe('RecordingStopped');
    await eventually(() => write.endedAt !== null);
    const sent = world.graph.log.find(({ call, action }) => call === bot.call && action === 'hangUp');
    expect(write.complete).toBe(false);
    expect(write.lastByteAt).toBeLessThan(sent?.receivedAt ?? 0);
    const again = await bot.report('recording');
    expect(again.headers['tallylight-reason']).toBe('CallEnded');
    expect((await bot.upload('late', 1)).status).toBe(403);
  });

  test('that Graph answers with 404 ends the call too, and the answer is Graph’s', async () => {
    const bot = await recordingBot();
    world.graph.endCall(bot.call);
    const reply = await bot.hangUp();
    expect(reply.status).toBe(404);
    expect(reply.headers['tallylight-reason']).toBeUndefined();
    expect(JSON.parse(reply.body)).toMatchObject({ error: { code: 'UnknownError' } });
    expect(await isOpen(bot)).toBe(false);
    expect((await bot.report('recording')).headers['tallylight-reason']).toBe('CallEnded');
  });

  test('may be repeated: Graph is asked again, and its answer passed on', async () => {
    const bot = await recordingBot();
    expect((await bot.hangUp()).status).toBe(204);
    const again = await bot.hangUp();
    expect(again.status).toBe(404);
    expect(again.headers['tallylight-reason']).toBeUndefined();
    expect(actionsOf(bot)).toEqual(['recording', 'hangUp', 'hangUp']);
  });

  test.concurrent.each<[string, ScriptRule, number]>([
    ['500', { action: 'hangUp', answer: 'serverError' }, 204],
    ['nothing, and did nothing', { action: 'hangUp', answer: 'none', effect: 'never' }, 204],
    ['nothing, but did it', { action: 'hangUp', answer: 'none' }, 404],
    ['a reset, but did it', { action: 'hangUp', answer: 'reset' }, 404],
  ])('to which Graph answers %s leaves the gate closed, and can be tried again', async (_, rule, then) => {
    const bot = await recordingBot();
    world.graph.script({ ...rule, call: bot.call });
    expect((await bot.hangUp()).status).toBeGreaterThanOrEqual(500);
    expect(await isOpen(bot)).toBe(false);
    expect((await bot.hangUp()).status).toBe(then);
    expect((await bot.report('recording')).headers['tallylight-reason']).toBe('CallEnded');
  });

  test('of a call that was never recorded passes', async () => {
    const bot = await world.bot();
    expect((await bot.hangUp()).status).toBe(204);
    expect(actionsOf(bot)).toEqual(['hangUp']);
  });
});

describe('a keepAlive that Graph answers with 404', () => {
  test('ends the call: its writes are cut, and nothing of it can be recorded again', async () => {
    const bot = await recordingBot();
    const upload = bot.slowUpload('long');
    upload.send(640);
    const write = await eventually(() =>
      world.sink.received.find(({ callId, bytes }) => callId === bot.call && bytes > 0),
    );
    world.graph.endCall(bot.call);
    const reply = await bot.post('keepAlive');
    expect(reply.status).toBe(404);
    expect(reply.headers['tallylight-reason']).toBeUndefined();
    await eventually(() => write.endedAt !== null);
    await upload.over;
    const again = await bot.report('recording');
    expect(again.status).toBe(404);
    expect(again.headers['tallylight-reason']).toBe('CallEnded');
    expect(actionsOf(bot)).toEqual(['recording', 'keepAlive']);
  });

  test('ends nothing where the call is bound to nobody: it may be somebody else’s', async () => {
    const bot = await world.bot();
    const gone = { error: { status: 404, code: 'UnknownError' } };
    world.graph.script({ action: 'keepAlive', call: bot.call, answer: gone });
    expect((await bot.post('keepAlive')).status).toBe(404);
    expect((await bot.post('keepAlive')).status).toBe(200);
    expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
    expect(await isOpen(bot)).toBe(true);
  });

  test('ends nothing where it comes from a stranger', async () => {
    const bot = await recordingBot();
    const path = `/v1.0/communications/calls/${bot.call}/keepAlive`;
    const token = await world.mint.mint({ azp: randomUUID() });
    const reply = await send(world.proxy.url, { method: 'POST', path, token });
    expect(reply.status).toBe(404);
    expect(reply.headers['tallylight-reason']).toBe('CallNotFound');
    expect(await isOpen(bot)).toBe(true);
  });
});

describe('a policy that hangs up when Graph refuses a start', () => {
  const strictBot = async (): Promise<
    (path: string, method?: string, status?: string) => ReturnType<typeof send>
  > => {
    const token = await world.mint.mint({ tid: sandboxTenant, azp: strictApp });
    return (path, method = 'POST', status) =>
      send(world.proxy.url, {
        method,
        path,
        token,
        ...(status === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ status }) }),
      });
  };

  test('ends the call, and the bot gets Graph’s refusal', async () => {
    const ask = await strictBot();
    const call = world.graph.incomingCall({ answered: true, policyBased: false });
    const reply = await ask(`/v1.0/communications/calls/${call}/updateRecordingStatus`, 'POST', 'recording');
    expect(reply.status).toBe(403);
    expect(JSON.parse(reply.body)).toMatchObject({ error: { code: '8506' } });
    await eventually(() => world.graph.recordingState(call) === undefined);
    expect(world.graph.log.filter((entry) => entry.call === call).map(({ action }) => action)).toEqual([
      'updateRecordingStatus',
      'hangUp',
    ]);
  });

  test('keeps a call whose start has an unknown outcome', async () => {
    const ask = await strictBot();
    const call = world.graph.incomingCall({ answered: true });
    world.graph.script({ action: 'updateRecordingStatus', call, answer: 'serverError' });
    const path = `/v1.0/communications/calls/${call}/updateRecordingStatus`;
    expect((await ask(path, 'POST', 'recording')).status).toBe(500);
    expect((await ask(path, 'POST', 'recording')).headers['tallylight-gate']).toBe('open');
  });
});
