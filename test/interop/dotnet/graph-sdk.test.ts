import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startHouse, type ControlAuth, type House } from './house.ts';
import { expectKept, spellingsOf } from './transcript.ts';

const versions = [
  ['graph-sdk-5', 'microsoft-graph-5.92.0', 'jwt'],
  ['graph-sdk-6', 'microsoft-graph-6.10.0', 'graph'],
] as const satisfies readonly (readonly [string, string, ControlAuth])[];

describe.each(versions)('%s', (program, client, controlAuth) => {
  let house: House;
  const build = (...allowedHosts: readonly string[]): Promise<unknown> =>
    house.bot.ask('build', { ...house.client, allowedHosts });
  beforeAll(async () => {
    house = await startHouse(controlAuth, { program });
  });
  afterAll(async () => {
    expect(await house.world.closeAndVerify()).toMatchObject({ misfit: null });
    await house.close();
  });

  test('controls a recording, and spells its requests as is kept of it', async () => {
    const { bot, world, front } = house;
    await build('localhost');
    const call = world.graph.incomingCall();
    await bot.ask('answer', { call, callbackUri: house.client.notificationUrl });
    expect(await bot.ask('get', { call })).toBe('Established');
    const states = [];
    for (const status of ['Recording', 'NotRecording', 'Recording', 'Failed']) {
      expect(await bot.ask('updateRecordingStatus', { call, status })).toBe('Completed');
      states.push(world.graph.recordingState(call));
      expect(await bot.ask('participants', { call })).toEqual([status]);
    }
    expect(states).toEqual(['recording', 'notRecording', 'recording', 'failed']);
    expect(await bot.ask('mute', { call })).toBe('Completed');
    await bot.ask('keepAlive', { call });
    const script = world.graph.script({ action: 'updateRecordingStatus', call, answer: { pending: {} } });
    expect(await bot.ask('updateRecordingStatus', { call, status: 'Recording' })).toBe('Running');
    script.release();
    await bot.ask('delete', { call });
    await expectKept(client, spellingsOf(front.connections, call, front.url));
  });

  test('sends no token to a host that is not allowed', async () => {
    const { bot, world } = house;
    const call = world.graph.incomingCall({ answered: true });
    for (const hosts of [['graph.microsoft.com'], ['localhost:443'], [new URL(house.front.url).host]]) {
      await build(...hosts);
      console.log(hosts, JSON.stringify(await bot.failure('updateRecordingStatus', { call, status: 'Recording' })));
    }
    expect(world.graph.recordingState(call)).toBe('notRecording');
  });

  test('reads the refusals of the proxy and of Graph as errors of Graph', async () => {
    const { bot, world } = house;
    await build('localhost');
    const call = world.graph.incomingCall({ answered: true, policyBased: false });
    console.log(JSON.stringify(await bot.failure('updateRecordingStatus', { call, status: 'Recording' })));
    console.log(JSON.stringify(await bot.failure('updateRecordingStatus', { call, status: 'Unknown' })));
    const throttled = world.graph.script({ action: 'keepAlive', call, answer: 'throttled', times: 2 });
    const t0 = performance.now();
    console.log(await bot.ask('keepAlive', { call }).catch((e) => JSON.stringify(e.failure)), throttled.used, performance.now() - t0);
  });
});
