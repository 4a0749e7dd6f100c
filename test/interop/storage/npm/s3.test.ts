import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../../../support/eventually.ts';
import { startTestBed, type TestBed } from '../test-bed.ts';
import { otherStatuses, startRefusals } from '../refusals.ts';
import { startClient, startServer, times, tried, type Outcome, type Program } from '../program.ts';

const manyBytes = 16 * 1024 * 1024;
const partBytes = 5 * 1024 * 1024;

let directory: string;
let store: Awaited<ReturnType<typeof startServer>>;
let refusals: Awaited<ReturnType<typeof startRefusals>>;
let testBed: TestBed;
let client: Program;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-s3-'));
  store = await startServer([process.execPath, 's3-store.mjs', directory], /listens on (http:\S+)/);
  refusals = await startRefusals();
  testBed = await startTestBed(store.url, (upstream) => {
    const route = {
      ...{ upstream, methods: ['PUT', 'POST'], reads: 'pass' as const },
      token: 'Tallylight-Authorization' as const,
    };
    return [
      { ...route, path: '/recordings/{callId}/*' },
      { ...route, path: '/hosted/{callId}/*', host: 'keep' },
      { ...route, path: '/refusals/{callId}/*', upstream: refusals.url },
    ];
  });
  client = await startClient([process.execPath, 's3-objects.mjs'], {
    ...{ ENDPOINT: testBed.front.url, STORE: testBed.back.url, DIRECT: store.url, TOKEN: testBed.token },
  });
});
afterEach(() => {
  testBed.back.release();
  testBed.gates.mend();
});
afterAll(async () => {
  await client.close();
  await testBed.close();
  await refusals.close();
  await store.close();
  await rm(directory, { recursive: true });
});

const ask = (name: string, call: string, facts: object = {}, bucket = 'recordings'): Promise<Outcome> =>
  client.ask(name, { bucket, key: `${call}/${name}`, ...facts });
const put = (call: string, name: string, bytes = 100): Promise<Outcome> =>
  ask('put', call, { key: `${call}/${name}`, bytes });
async function valueOf(outcome: Promise<Outcome>): Promise<unknown> {
  const { failure, value } = await outcome;
  expect(failure).toBeUndefined();
  return value;
}
const stored = async (call: string, bucket = 'recordings'): Promise<unknown> => {
  const sizes = await valueOf(client.ask('stored', { bucket, prefix: `${call}/` }));
  return Object.fromEntries(
    Object.entries(sizes as object).map(([name, size]) => [name.slice(call.length + 1), size as number]),
  );
};

/** An upload of which a part is on its way to the store, and no more until that is released. */
async function heldUp(call: string): Promise<{ readonly outcome: Promise<Outcome> }> {
  const before = testBed.back.bytes;
  testBed.back.hold('requests');
  const outcome = put(call, 'held', manyBytes);
  await eventually(() => testBed.back.bytes > before);
  return { outcome };
}

describe('@aws-sdk/client-s3', () => {
  test('stores objects, signed for the store and sent to the product', async () => {
    const { call } = await testBed.recordingCall();
    const names = ['segment 1.wav', "a, b (1)!~'$&+=@.wav", '2026/11/29.wav', 'ü€.wav'];
    for (const name of names) expect(tried(await put(call, name))).toEqual([200]);
    await valueOf(put(call, 'large', manyBytes));
    expect(await stored(call)).toEqual({
      ...Object.fromEntries(names.map((name) => [name, 100])),
      large: manyBytes,
    });
    expect(await valueOf(ask('size', call, { key: `${call}/large` }))).toBe(manyBytes);
  });

  test('stores streams in chunks with a checksum behind them', async () => {
    const { call } = await testBed.recordingCall();
    const sent = await ask('putStream', call, { bytes: 1_000_000 });
    expect(sent.attempts).toMatchObject([{ status: 200, coding: 'aws-chunked' }]);
    expect(await stored(call)).toEqual({ putStream: 1_000_000 });
  });

  test('stores objects in parts', async () => {
    const { call } = await testBed.recordingCall();
    const key = `${call}/parts`;
    const upload = await valueOf(ask('create', call, { key }));
    const parts = [];
    for (const part of [1, 2])
      parts.push(await valueOf(ask('part', call, { key, upload, part, bytes: partBytes })));
    expect(await stored(call)).toEqual({});
    await valueOf(ask('complete', call, { key, upload, parts }));
    expect(await stored(call)).toEqual({ parts: 2 * partBytes });
  });

  test('signs for the product where the route keeps the host, and nowhere else', async () => {
    const { call } = await testBed.recordingCall();
    const facts = { bytes: 100, options: { signs: 'proxy' } };
    expect(tried(await ask('put', call, facts, 'hosted'))).toEqual([200]);
    expect(await stored(call, 'hosted')).toEqual({ put: 100 });
    expect((await ask('put', call, facts)).failure?.code).toBe('SignatureDoesNotMatch');
    expect((await ask('put', call, { bytes: 100 }, 'hosted')).attempts).toMatchObject([{ status: 200 }]);
  });

  test('must not sign the header of the product, which the store does not see', async () => {
    const { call } = await testBed.recordingCall();
    const refused = await ask('put', call, { bytes: 100, options: { tokenIsSigned: true } });
    expect(refused.failure).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
    expect(await stored(call)).toEqual({});
  });

  test('cannot list or remove through the route', async () => {
    const { call } = await testBed.recordingCall();
    await valueOf(put(call, 'kept'));
    expect(tried(await ask('remove', call, { key: `${call}/kept` }))).toEqual(['MethodNotAllowed']);
    expect(tried(await ask('list', call, { prefix: `${call}/` }))).toEqual(['TokenInvalid']);
    expect(await stored(call)).toEqual({ kept: 100 });
  });

  test('does not try again, and sends no body, where recording is not confirmed', async () => {
    const bot = await testBed.world.bot();
    const before = testBed.front.bytes;
    const early = await put(bot.call, 'early', manyBytes);
    expect(tried(early)).toEqual(['RecordingNotActive']);
    expect(early.failure).toMatchObject({ status: 403, reason: 'RecordingNotActive' });
    expect(testBed.front.bytes - before).toBeLessThan(8192);
    await bot.report('recording');
    await valueOf(put(bot.call, 'later'));
    expect(await stored(bot.call)).toEqual({ later: 100 });
  });

  test('brings nothing of a call after the stop: a cut write is not repeated with success', async () => {
    const bot = await testBed.recordingCall();
    await valueOf(put(bot.call, 'before'));
    const { outcome } = await heldUp(bot.call);
    expect((await bot.report('notRecording')).status).toBe(200);
    const cut = await outcome;
    expect(cut.failure?.status).toBe(403);
    expect(tried(cut).at(-1)).toMatch(/^Recording(?:Stopped|NotActive)$/);
    testBed.back.release();
    expect(tried(await put(bot.call, 'after')).at(-1)).toBe('RecordingNotActive');
    expect(await stored(bot.call)).toEqual({ before: 100 });
  });

  test('keeps what the store had whole before the stop, though its answer was lost', async () => {
    const bot = await testBed.recordingCall();
    testBed.back.hold('answers');
    const outcome = put(bot.call, 'whole');
    await eventually(async () => Object.keys((await stored(bot.call)) as object).length > 0);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(tried(await outcome).at(-1)).toMatch(/^Recording(?:Stopped|NotActive)$/);
    expect(await stored(bot.call)).toEqual({ whole: 100 });
  });

  test('cannot complete or abort after the stop what it has begun before', async () => {
    const bot = await testBed.recordingCall();
    const key = `${bot.call}/parts`;
    const upload = await valueOf(ask('create', bot.call, { key }));
    const facts = { key, upload, part: 1, bytes: partBytes };
    const parts = [await valueOf(ask('part', bot.call, facts))];
    await bot.report('notRecording');
    expect(tried(await ask('part', bot.call, { ...facts, part: 2 }))).toEqual(['RecordingNotActive']);
    expect(tried(await ask('complete', bot.call, { key, upload, parts }))).toEqual(['RecordingNotActive']);
    expect(tried(await ask('abort', bot.call, { key, upload }))).toEqual(['MethodNotAllowed']);
    expect(await stored(bot.call)).toEqual({});
  });

  test('sends a write again whose connection broke, while recording goes on', async () => {
    const bot = await testBed.recordingCall();
    const { outcome } = await heldUp(bot.call);
    testBed.front.cut();
    testBed.back.release();
    expect(tried(await outcome)).toEqual([0, 200]);
    expect(await stored(bot.call)).toEqual({ held: manyBytes });
  });

  test('sends again what is refused for a while, but for streams', async () => {
    const bot = await testBed.recordingCall();
    const { outcome } = await heldUp(bot.call);
    expect(tried(await put(bot.call, 'second'))).toEqual(times(3, 'TooManyUploads'));
    const stream = await ask('putStream', bot.call, { bytes: 1000 });
    expect(tried(stream)).toEqual(times(1, 'TooManyUploads'));
    testBed.back.release();
    expect(tried(await outcome)).toEqual([200]);

    testBed.back.hold('connections');
    expect(tried(await put(bot.call, 'third'))).toEqual(times(3, 'UpstreamFailed'));
    testBed.back.release();
    expect(await stored(bot.call)).toEqual({ held: manyBytes });

    const unknown = await testBed.world.bot();
    testBed.gates.break();
    expect(tried(await put(unknown.call, 'x'))).toEqual(times(3, 'StoreUnavailable'));
    testBed.gates.mend();
    expect(await stored(unknown.call)).toEqual({});
  });

  test.each(otherStatuses)('sends again what is answered %d, if its package does', async (status) => {
    const { call } = await testBed.recordingCall();
    const outcome = await ask('put', call, { key: `${call}/${status}`, bytes: 1 }, 'refusals');
    expect(tried(outcome)).toEqual(times(status >= 500 && status !== 501 ? 3 : 1, status));
  });

  test('does not get through while the product shuts down', async () => {
    const bot = await testBed.recordingCall();
    const { outcome } = await heldUp(bot.call);
    await testBed.shutDown();
    const cut = tried(await outcome);
    expect(cut).toHaveLength(3);
    expect(cut[0]).toBe('ShuttingDown');
    expect(cut).not.toContain(200);
    testBed.back.release();
    expect(await stored(bot.call)).toEqual({});
  });
});
