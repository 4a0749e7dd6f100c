import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bot, type Reply } from '../../../src/sandbox/bot/bot.ts';
import { json, send } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

/** One Graph credential for every application: Graph accepts from each what the owner of a call may do. */
let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

interface Two {
  /** The application that the call is meant for. */
  readonly owner: Bot;
  /** Another application with the same credential. */
  readonly other: Bot;
}

async function two(call = world.graph.incomingCall({ answered: true })): Promise<Two> {
  return {
    owner: new Bot(world.proxy.url, await world.mint.mint(), call),
    other: new Bot(world.proxy.url, await world.mint.mint({ azp: randomUUID() }), call),
  };
}

const pending = { pending: { afterMs: 300 } } as const;
const isTheirs = async (bot: Bot): Promise<boolean> =>
  (await bot.post('mute', {})).headers['tallylight-reason'] !== 'CallNotFound';

describe('in jwt mode a call is not bound by asking first', () => {
  test.each<[string, (bot: Bot) => Promise<Reply>]>([
    ['reading the participants', (bot) => bot.get('participants')],
    ['reading the operations', (bot) => bot.get('operations')],
    ['a keepAlive', (bot) => bot.post('keepAlive')],
    ['muting the bot', (bot) => bot.post('mute', {})],
    ['a stop', (bot) => bot.report('notRecording')],
    ['the report of a failure', (bot) => bot.report('failed')],
    [
      'a stop whose operation goes on',
      (bot) => {
        const rule = { action: 'updateRecordingStatus', call: bot.call, times: 1, answer: pending } as const;
        world.graph.script(rule);
        return bot.report('notRecording');
      },
    ],
  ])('%s', async (_, ask) => {
    const { owner, other } = await two();
    const { status } = await ask(other);
    expect(status).toBeGreaterThanOrEqual(200);
    expect(status).toBeLessThan(300);
    expect((await owner.report('recording')).headers['tallylight-gate']).toBe('open');
    expect((await other.report('notRecording')).headers['tallylight-reason']).toBe('CallNotFound');
    expect((await owner.upload('frame', 640)).status).toBe(201);
  });
});

describe('in jwt mode a call is bound once Graph has accepted', () => {
  test('its answer', async () => {
    const { owner, other } = await two(world.graph.incomingCall());
    const callbackUri = `${world.proxy.url}/callbacks/calls`;
    expect((await owner.post('answer', { callbackUri })).status).toBe(202);
    expect(await isTheirs(other)).toBe(false);
    expect(await isTheirs(owner)).toBe(true);
  });

  test('its creation', async () => {
    const created = await send(world.proxy.url, {
      ...{ method: 'POST', path: '/v1.0/communications/calls', token: await world.mint.mint() },
      ...json({ callbackUri: `${world.proxy.url}/callbacks/calls` }),
    });
    expect(created.status).toBe(201);
    const { owner, other } = await two((JSON.parse(created.body) as { id: string }).id);
    expect(await isTheirs(other)).toBe(false);
    expect(await isTheirs(owner)).toBe(true);
  });

  test('a start, also one whose operation goes on', async () => {
    for (const answer of ['asUsual', pending] as const) {
      const { owner, other } = await two();
      world.graph.script({ action: 'updateRecordingStatus', call: owner.call, times: 1, answer });
      expect((await owner.report('recording')).headers['tallylight-gate']).toBe('open');
      expect(await isTheirs(other)).toBe(false);
      expect(await isTheirs(owner)).toBe(true);
    }
  });

  test('but not by what Graph has refused', async () => {
    const { owner, other } = await two();
    const error = { error: { status: 400, code: 'BadRequest' } };
    world.graph.script({ action: 'updateRecordingStatus', call: owner.call, times: 1, answer: error });
    expect((await other.report('recording')).status).toBe(400);
    expect((await owner.report('recording')).headers['tallylight-gate']).toBe('open');
  });
});
