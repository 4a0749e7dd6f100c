import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { answeredCall, startTestBed, type ControlAuth, type TestBed } from './test-bed.ts';
import type { CommandFailed, Failure } from './program.ts';
import { expectKept, spellingsOf } from './transcript.ts';

const frameBytes = 640;
const segmentBytes = 4 * 1024 * 1024;
const sdk = 'Microsoft.Graph.Communications.Core.Exceptions.ServiceException';

describe.each<ControlAuth>(['jwt', 'graph'])('the stateful SDK, with tokens for %s', (controlAuth) => {
  let testBed: TestBed;
  beforeAll(async () => {
    testBed = await startTestBed(controlAuth);
    await testBed.bot.ask('build', testBed.client);
  });
  afterAll(async () => {
    expect(await testBed.world.closeAndVerify()).toMatchObject({ misfit: null });
    await testBed.close();
  });

  const place = (call: string, name: string): string => `${testBed.front.url}/media/${call}/${name}`;
  const upload = (call: string, name: string, bytes = frameBytes, expectContinue = false): Promise<unknown> =>
    testBed.bot.ask('upload', { url: place(call, name), method: 'POST', bytes, expectContinue });
  const begin = async (call: string, name: string): Promise<void> => {
    await testBed.bot.ask('beginUpload', { upload: call, url: place(call, name), method: 'POST' });
    await testBed.bot.ask('feed', { upload: call, bytes: frameBytes });
    await eventually(() =>
      writes(call).some(({ path, bytes }) => path.endsWith(name) && bytes === frameBytes),
    );
  };
  const report = (call: string, status: string): Promise<unknown> =>
    testBed.bot.ask('updateRecordingStatus', { call, status });
  const writes = (call: string) => testBed.world.sink.received.filter(({ callId }) => callId === call);
  const asked = (call: string, status: string) =>
    testBed.world.graph.log.find((entry) => entry.call === call && entry.asked === status)!;
  const stored = { status: 201 };
  const closed = { status: 403, reason: 'RecordingNotActive' };

  /** No byte of the call was stored before Graph had confirmed, and none after the stop was sent. */
  function expectHonest(call: string, stop: string): void {
    expect(writes(call).length).toBeGreaterThan(0);
    for (const { startedAt, lastByteAt } of writes(call)) {
      expect(startedAt).toBeGreaterThan(asked(call, 'recording').answeredAt!);
      expect(lastByteAt).toBeLessThan(asked(call, stop).receivedAt);
    }
  }

  test('records from the confirmation to the stop', async () => {
    const { bot } = testBed;
    const call = await answeredCall(testBed);
    expect(await upload(call, 'early')).toMatchObject(closed);
    expect(writes(call)).toEqual([]);

    await report(call, 'Recording');
    for (const waits of [false, true]) {
      const frames = Array.from({ length: 10 }, (_, n) => upload(call, `frame-${n}`, frameBytes, waits));
      for (const answer of await Promise.all(frames)) expect(answer).toMatchObject(stored);
      expect(await upload(call, 'segment', segmentBytes, waits)).toMatchObject(stored);
    }
    const whole = writes(call).filter(({ complete }) => complete);
    expect(whole.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(2 * (10 * frameBytes + segmentBytes));
    await bot.ask('keepAlive', { call });

    await begin(call, 'growing');
    await report(call, 'NotRecording');
    const growing = { ended: false };
    const over = bot.ask('answerOf', { upload: call }).catch((error: unknown) => error);
    void over.then(() => (growing.ended = true));
    // The media goes on, as it does in a call.
    await eventually(async () => {
      await bot.ask('feed', { upload: call, bytes: frameBytes });
      return growing.ended;
    });
    const { failure } = (await over) as CommandFailed;
    expect(failure).toMatchObject({
      type: 'System.Net.Http.HttpRequestException',
      message: 'Error while copying content to a stream.',
    });
    expect(writes(call).find(({ path }) => path.endsWith('growing'))).toMatchObject({
      complete: false,
      bytes: frameBytes,
    });
    expect(await upload(call, 'late', frameBytes, true)).toMatchObject(closed);
    expectHonest(call, 'notRecording');
  });

  test('knows who is in the call, and that it is recorded', async () => {
    const { bot, world } = testBed;
    const call = await answeredCall(testBed);
    await report(call, 'Recording');
    await bot.told('roster', { call, recording: 'Recording' });
    world.graph.addParticipant(call, { displayName: 'Grace' });
    await bot.told('roster', { call, added: 1, names: 'Adele Vance, Grace' });
  });

  test('reports a failure', async () => {
    const call = await answeredCall(testBed);
    await report(call, 'Recording');
    expect(await upload(call, 'frame')).toMatchObject(stored);
    await report(call, 'Failed');
    expect(testBed.world.graph.recordingState(call)).toBe('failed');
    expect(await upload(call, 'late')).toMatchObject(closed);
    expectHonest(call, 'failed');
  });

  test('records once an operation is complete that was pending', async () => {
    const { world } = testBed;
    const call = await answeredCall(testBed);
    const script = world.graph.script({ action: 'updateRecordingStatus', call, answer: { pending: {} } });
    const reported = report(call, 'Recording');
    await eventually(() => script.used === 1);
    expect(await upload(call, 'early')).toMatchObject(closed);
    script.release();
    await reported;
    await eventually(async () => ((await upload(call, 'frame')) as { status: number }).status === 201);
  });

  test('waits for an operation until a notification completes it', async () => {
    const { bot, world, front } = testBed;
    const call = await answeredCall(testBed);
    const script = world.graph.script({ action: 'mute', call, answer: { pending: {} } });
    const muting = { done: false };
    const muted = bot.ask('mute', { call }).then(() => (muting.done = true));
    await eventually(() => world.graph.log.some((entry) => entry.action === 'mute' && entry.call === call));
    world.graph.notifications.set('hold', 1);
    script.release();
    await bot.ask('keepAlive', { call });
    expect(muting.done).toBe(false);
    world.graph.notifications.release();
    await muted;
    // It does not ask for the operation, it is told.
    const sent = spellingsOf(front.connections, call, front.url);
    expect(sent.map(({ method }) => method)).not.toContain('GET');
  });

  test('is told that no policy made the call', async () => {
    const call = await answeredCall(testBed, { policyBased: false });
    const failure: Failure = await testBed.bot.failure('updateRecordingStatus', {
      call,
      status: 'Recording',
    });
    expect(failure).toMatchObject({ type: sdk, status: 403, code: '8506' });
    expect(failure.message).toContain('API call not allowed for non-Compliance Recording call.');
    expect(await upload(call, 'frame')).toMatchObject(closed);
  });

  test('learns that Graph ended the call', async () => {
    const { bot, world } = testBed;
    const call = await answeredCall(testBed);
    await report(call, 'Recording');
    world.graph.endCall(call);
    await bot.told('updated', { call, state: 'Terminated', code: 200, subcode: 5001 });
    expect(await upload(call, 'late')).toMatchObject(closed);
    // The SDK forgets the call.
    await eventually(
      async () => !((await bot.ask('calls')) as { call: string }[]).some((one) => one.call === call),
    );
  });

  test('ends the call', async () => {
    const { bot } = testBed;
    const call = await answeredCall(testBed);
    await report(call, 'Recording');
    await bot.ask('delete', { call });
    expect(await upload(call, 'late')).toMatchObject(closed);
    await bot.told('updated', { call, state: 'Terminated' });
  });

  test('spells its requests as is kept of it', async () => {
    const { bot, world, front } = testBed;
    const call = await answeredCall(testBed);
    world.graph.script({ action: 'updateRecordingStatus', call, answer: { pending: { afterMs: 0 } } });
    await report(call, 'Recording');
    await eventually(async () => ((await upload(call, 'frame')) as { status: number }).status === 201);
    await upload(call, 'frame', frameBytes, true);
    await begin(call, 'growing');
    await bot.ask('finish', { upload: call });
    expect(await bot.ask('answerOf', { upload: call })).toMatchObject(stored);
    await bot.ask('keepAlive', { call });
    await bot.ask('mute', { call });
    await report(call, 'Failed');
    await report(call, 'NotRecording');
    await bot.ask('delete', { call });
    await expectKept('communications-sdk-1.2.0.18742', spellingsOf(front.connections, call, front.url));
  });
});
