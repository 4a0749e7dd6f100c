import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import type { IncomingCall } from '../../../src/sandbox/graph/control.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await startWorld({ notifications: true });
});
afterEach(() => world.close());

/** A bot whose recorded was announced through the proxy. */
async function recorded(call: IncomingCall = {}): Promise<Bot> {
  const bot = await world.bot(call);
  await notified(bot, 'updated established');
  return bot;
}

const notified = (bot: Bot, wanted: string): Promise<unknown> =>
  eventually(() =>
    world.graph.deliveries.some(
      ({ call, what, status }) => call === bot.call && what === wanted && status === 202,
    ),
  );

const upload = async (bot: Bot): Promise<number> => (await bot.upload('frame', 640)).status;

describe('two bots invited to one conversation', () => {
  test('have a call id, a success and a gate each', async () => {
    const one = await recorded();
    const other = await recorded({ pairedWith: one.call });
    expect((await one.report('recording')).status).toBe(200);
    expect([await upload(one), await upload(other)]).toEqual([201, 403]);
    expect((await other.report('recording')).status).toBe(200);
    expect((await one.report('notRecording')).status).toBe(200);
    expect([await upload(one), await upload(other)]).toEqual([403, 201]);
  });

  test('end on their own', async () => {
    const one = await recorded();
    const other = await recorded({ pairedWith: one.call });
    for (const bot of [one, other]) expect((await bot.report('recording')).status).toBe(200);
    world.graph.endCall(one.call);
    await eventually(async () => (await upload(one)) === 403);
    expect(await upload(other)).toBe(201);
  });
});

describe('no gate is carried over', () => {
  const cases: readonly [string, (before: Bot) => IncomingCall][] = [
    ['a transfer', () => ({ transferor: '44444444-4444-4444-8444-444444444444' })],
    ['a merge into another conversation', () => ({ threadId: '19:meeting_merged@thread.v2' })],
    ['a replacement bot', ({ call }) => ({ pairedWith: call })],
  ];

  test.each(cases)('by %s: the new id needs its own confirmation', async (_, after) => {
    const before = await recorded({ policyHolder: '44444444-4444-4444-8444-444444444444' });
    expect((await before.report('recording')).status).toBe(200);
    const next = await recorded(after(before));
    expect(await upload(next)).toBe(403);
    world.graph.endCall(before.call);
    await notified(before, 'deleted terminated');
    expect(await upload(next)).toBe(403);
    expect((await next.report('recording')).status).toBe(200);
    expect(await upload(next)).toBe(201);
    await eventually(async () => (await upload(before)) === 403);
  });
});

test('the evidence shows the calls of a conversation together, for reading', async () => {
  const one = await recorded();
  const other = await recorded({ pairedWith: one.call });
  const apart = await recorded();
  expect((await one.report('recording')).status).toBe(200);
  const { misfit } = await world.closeAndVerify();
  expect(misfit).toBeNull();
  const { stdout } = await promisify(execFile)(process.execPath, [
    fileURLToPath(new URL('../../../dist/src/cli/verify.js', import.meta.url)),
    '--calls',
    '--json',
    join(world.directory, 'evidence'),
  ]);
  const { conversations } = JSON.parse(stdout) as { conversations: { calls: { call: string }[] }[] };
  const groups = conversations.map(({ calls }) => calls.map(({ call }) => call).sort());
  expect(groups.sort((a, b) => b.length - a.length)).toEqual([[one.call, other.call].sort(), [apart.call]]);
});
