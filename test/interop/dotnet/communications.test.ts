import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { startHouse, type ControlAuth, type House } from './house.ts';

const frameBytes = 640;
const segmentBytes = 4 * 1024 * 1024;

describe.each<ControlAuth>(['jwt', 'graph'])('the stateful SDK, with tokens for %s', (controlAuth) => {
  let house: House;
  beforeAll(async () => {
    house = await startHouse(controlAuth);
    await house.bot.ask('build', house.client);
  });
  afterAll(async () => {
    expect(await house.world.closeAndVerify()).toMatchObject({ misfit: null });
    await house.close();
  });

  const place = (call: string, name: string): string => `${house.front.url}/media/${call}/${name}`;
  const upload = (call: string, name: string, bytes: number, expectContinue = false): Promise<unknown> =>
    house.bot.ask('upload', { url: place(call, name), method: 'POST', bytes, expectContinue });
  const report = (call: string, status: string): Promise<unknown> =>
    house.bot.ask('updateRecordingStatus', { call, status });
  const writes = (call: string) => house.world.sink.received.filter(({ callId }) => callId === call);
  const asked = (call: string, status: string) =>
    house.world.graph.log.find((entry) => entry.call === call && entry.asked === status)!;

  /** No byte of the call was stored before Graph had confirmed, and none after the stop was sent. */
  function expectHonest(call: string, stop: string): void {
    expect(writes(call).length).toBeGreaterThan(0);
    for (const { startedAt, lastByteAt } of writes(call)) {
      expect(startedAt).toBeGreaterThan(asked(call, 'recording').answeredAt!);
      expect(lastByteAt).toBeLessThan(asked(call, stop).receivedAt);
    }
  }

  /** A call that the bot has answered. */
  async function answeredCall(facts: object = {}): Promise<string> {
    const { bot, world } = house;
    const call = world.graph.incomingCall(facts);
    await bot.told('incoming', { call, state: 'Incoming' });
    await bot.ask('answer', { call, blob: '<media session>' });
    await bot.told('updated', { call, state: 'Established' });
    return call;
  }

  test('records from the confirmation to the stop', async () => {
    const { bot, world } = house;
    const call = await answeredCall();
    expect(await upload(call, 'early', frameBytes)).toMatchObject({ status: 403, reason: 'RecordingNotActive' });
    expect(writes(call)).toEqual([]);

    await report(call, 'Recording');
    for (const expectContinue of [false, true]) {
      const frames = Array.from({ length: 10 }, (_, n) => upload(call, `frame-${n}`, frameBytes, expectContinue));
      for (const answer of await Promise.all(frames)) expect(answer).toMatchObject({ status: 201 });
      expect(await upload(call, 'segment', segmentBytes, expectContinue)).toMatchObject({ status: 201 });
    }
    const stored = writes(call).filter(({ complete }) => complete);
    expect(stored.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(2 * (10 * frameBytes + segmentBytes));
    await bot.ask('keepAlive', { call });

    const growing = { upload: call, url: place(call, 'growing'), method: 'POST' };
    await bot.ask('beginUpload', growing);
    await bot.ask('feed', { upload: call, bytes: frameBytes });
    await eventually(() => writes(call).some(({ path, bytes }) => path.endsWith('growing') && bytes === frameBytes));
    await report(call, 'NotRecording');
    console.log(await bot.ask('answerOf', { upload: call }).catch((e)=>JSON.stringify(e.failure, null, 1)));
    expect(writes(call).find(({ path }) => path.endsWith('growing'))).toMatchObject({ complete: false, bytes: frameBytes });
    expect(await upload(call, 'late', frameBytes, true)).toMatchObject({ status: 403, reason: 'RecordingNotActive' });
    expectHonest(call, 'notRecording');
  });

  test('knows who is in the call, and that it is recorded', async () => {
    const { bot, world } = house;
    const call = await answeredCall();
    await report(call, 'Recording');
    await bot.told('roster', { call, recording: 'Recording' });
    world.graph.addParticipant(call, { displayName: 'Grace' });
    await bot.told('roster', { call, added: 1, names: 'Adele Vance, Grace' });
  });

  test('reports a failure', async () => {
    const call = await answeredCall();
    await report(call, 'Recording');
    expect(await upload(call, 'frame', frameBytes)).toMatchObject({ status: 201 });
    await report(call, 'Failed');
    expect(house.world.graph.recordingState(call)).toBe('failed');
    expect(await upload(call, 'late', frameBytes)).toMatchObject({ status: 403 });
    expectHonest(call, 'failed');
  });

  test('waits for an operation until a notification completes it', async () => {
    const { world } = house;
    const call = await answeredCall();
    const script = world.graph.script({ action: 'updateRecordingStatus', call, answer: { pending: {} } });
    const reported = report(call, 'Recording');
    await eventually(() => world.graph.log.some((entry) => entry.call === call && entry.asked === 'recording' && entry.answeredAt !== null));
    expect(await upload(call, 'early', frameBytes)).toMatchObject({ status: 403 });
    script.release();
    await reported;
    console.log(world.graph.log.slice(-4), world.graph.deliveries.slice(-4));
    await eventually(async () => ((await upload(call, 'frame', frameBytes)) as { status: number }).status === 201);
  });

  test('is told that the call was not made by a policy', async () => {
    const call = await answeredCall({ policyBased: false });
    const failure = await house.bot.failure('updateRecordingStatus', { call, status: 'Recording' });
    console.log(JSON.stringify(failure, null, 1));
    expect(await upload(call, 'frame', frameBytes)).toMatchObject({ status: 403 });
  });

  test('learns that Graph ended the call', async () => {
    const { bot, world } = house;
    const call = await answeredCall();
    await report(call, 'Recording');
    world.graph.endCall(call);
    console.log(await bot.told('updated', { call, state: 'Terminated' }));
    await eventually(async () => ((await upload(call, 'late', frameBytes)) as { status: number }).status === 403);
    console.log(JSON.stringify(await bot.failure('keepAlive', { call })));
  });

  test('ends the call', async () => {
    const { bot, world } = house;
    const call = await answeredCall();
    await report(call, 'Recording');
    await bot.ask('delete', { call });
    console.log(world.graph.log.slice(-1));
    await bot.told('updated', { call, state: 'Terminated' });
    expect(await upload(call, 'late', frameBytes)).toMatchObject({ status: 403 });
  });
  test('x', () => { console.log(house.bot.errors.join('\n').slice(0, 4000)); expect(1).toBe(1); });
});
