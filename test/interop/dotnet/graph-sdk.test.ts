import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestBed, type ControlAuth, type TestBed } from './test-bed.ts';
import { expectKept, spellingsOf } from './transcript.ts';

const versions = [
  ['graph-sdk-5', 'microsoft-graph-5.92.0', 'jwt'],
  ['graph-sdk-6', 'microsoft-graph-6.10.0', 'graph'],
] as const satisfies readonly (readonly [string, string, ControlAuth])[];

const odataError = 'Microsoft.Graph.Models.ODataErrors.ODataError';

describe.each(versions)('%s', (program, client, controlAuth) => {
  let testBed: TestBed;
  const build = (...allowedHosts: readonly string[]): Promise<unknown> =>
    testBed.bot.ask('build', { ...testBed.client, allowedHosts });
  beforeAll(async () => {
    testBed = await startTestBed(controlAuth, { program });
  });
  afterAll(async () => {
    expect(await testBed.world.closeAndVerify()).toMatchObject({ misfit: null });
    await testBed.close();
  });

  test('controls a recording, and spells its requests as is kept of it', async () => {
    const { bot, world, front } = testBed;
    await build('localhost');
    const call = world.graph.incomingCall();
    await bot.ask('answer', { call, callbackUri: testBed.client.notificationUrl });
    expect(await bot.ask('get', { call })).toBe('Established');
    const states = [];
    for (const status of ['Recording', 'NotRecording', 'Recording', 'Failed']) {
      const done = await bot.ask('updateRecordingStatus', { call, status });
      expect(done).toMatchObject({ status: 'Completed' });
      states.push(world.graph.recordingState(call));
      expect(await bot.ask('participants', { call })).toEqual([status]);
    }
    expect(states).toEqual(['recording', 'notRecording', 'recording', 'failed']);
    expect(await bot.ask('mute', { call })).toBe('Completed');
    await bot.ask('keepAlive', { call });
    const script = world.graph.script({ action: 'updateRecordingStatus', call, answer: { pending: {} } });
    const pending = await bot.ask('updateRecordingStatus', { call, status: 'Recording' });
    const { id, status } = pending as { id: string; status: string };
    expect(status).toBe('Running');
    expect(await bot.ask('operation', { call, operation: id })).toBe('Running');
    script.release();
    expect(await bot.ask('operation', { call, operation: id })).toBe('Completed');
    await bot.ask('delete', { call });
    await expectKept(client, spellingsOf(front.connections, call, front.url));
  });

  // A name with a port is no name of a host.
  test.each(['another host', 'this host and its port'])(
    'sends no token where %s is allowed',
    async (which) => {
      const { bot, world, front } = testBed;
      const call = world.graph.incomingCall({ answered: true });
      await build(which === 'another host' ? 'graph.microsoft.com' : new URL(front.url).host);
      const failure = await bot.failure('updateRecordingStatus', { call, status: 'Recording' });
      expect(failure).toMatchObject({ type: odataError, status: 401, code: 'TokenMissing' });
      const sent = spellingsOf(front.connections, call, front.url);
      expect(sent).toHaveLength(1);
      expect(sent[0]?.headers).not.toHaveProperty('Authorization');
      expect(world.graph.recordingState(call)).toBe('notRecording');
    },
  );

  test('reads refusals, of Graph and of the proxy, as errors of Graph', async () => {
    const { bot, world } = testBed;
    await build('localhost');
    const call = world.graph.incomingCall({ answered: true, policyBased: false });
    const ofGraph = await bot.failure('updateRecordingStatus', { call, status: 'Recording' });
    expect(ofGraph).toMatchObject({ type: odataError, status: 403, code: '8506' });
    const ofProxy = await bot.failure('updateRecordingStatus', { call, status: 'Unknown' });
    expect(ofProxy).toMatchObject({ type: odataError, status: 400, code: 'StatusInvalid' });
  });

  test('repeats what Graph throttles, by itself', async () => {
    const { bot, world } = testBed;
    await build('localhost');
    const call = world.graph.incomingCall({ answered: true });
    const throttled = { status: 429, code: 'TooManyRequests', headers: { 'Retry-After': '0' } };
    const script = world.graph.script({ action: 'keepAlive', call, answer: { error: throttled } });
    await bot.ask('keepAlive', { call });
    expect(script.used).toBe(1);
    expect(world.graph.log.filter((entry) => entry.call === call)).toHaveLength(2);

    const always = world.graph.script({ action: 'getCall', call, answer: { error: throttled }, times: 99 });
    const failure = await bot.failure('get', { call });
    expect(failure.type).toBe('System.AggregateException');
    expect(failure.message).toMatch(/^Too many retries performed. More than 3 retries encountered/);
    expect(failure.inner).toMatchObject({ type: 'Microsoft.Kiota.Abstractions.ApiException', status: 429 });
    expect(always.used).toBe(4);
  });
});
