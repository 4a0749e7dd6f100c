import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { startTestBed, type TestBed } from './test-bed.ts';
import { otherStatuses, startRefusals, type OtherStatus } from './refusals.ts';
import { startClient, startServer, times, tried, type Outcome, type Program } from './program.ts';

/** Everybody's, by the documentation of Azurite. */
const account = 'devstoreaccount1';
const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const container = 'recordings';
/** Behind a route whose token is in `Authorization`. */
const plain = 'plain';
const manyBytes = 16 * 1024 * 1024;

type Command = readonly [program: string, ...args: string[]];

/** A client, and how often it tries in all where the product refuses. */
interface Client {
  readonly command: () => Command;
  readonly tries: Readonly<Record<'tooMany' | 'noHandler' | 'noStore' | 'shutdown' | OtherStatus, number>>;
}

/** What holds for a client of Azure's blobs that writes through a media route into Azurite. */
export function azureLaws({ command, tries }: Client): void {
  let azurite: Awaited<ReturnType<typeof startServer>>;
  let refusals: Awaited<ReturnType<typeof startRefusals>>;
  let testBed: TestBed;
  let client: Program;
  beforeAll(async () => {
    const main = '../node_modules/azurite/dist/src/blob/main.js';
    const options = ['--inMemoryPersistence', '--disableTelemetry', '--skipApiVersionCheck', '--silent'];
    azurite = await startServer(
      [process.execPath, main, '--blobPort', '0', ...options],
      /listens on (http:\S+)/,
    );
    refusals = await startRefusals();
    testBed = await startTestBed(azurite.url, (upstream) => {
      const route = { upstream, methods: ['PUT'], reads: 'pass', encodedSlash: 'keep' } as const;
      return [
        { ...route, path: `/${account}/${container}/{callId}/*`, token: 'Tallylight-Authorization' },
        { ...route, path: `/${account}/${plain}/{callId}/*` },
        {
          ...route,
          path: `/${account}/refusals/{callId}/*`,
          upstream: refusals.url,
          token: 'Tallylight-Authorization',
        },
      ];
    });
    client = await startClient(command(), {
      ENDPOINT: `${testBed.front.url}/${account}`,
      DIRECT: `${azurite.url}/${account}`,
      CONTAINER: container,
      ACCOUNT: account,
      ACCOUNT_KEY: accountKey,
      TOKEN: testBed.token,
    });
    for (const name of [container, plain]) await client.ask('prepare', { container: name });
  });
  afterEach(() => {
    testBed.back.release();
    testBed.gates.mend();
  });
  afterAll(async () => {
    await client.close();
    await testBed.close();
    await refusals.close();
    await azurite.close();
  });

  /** Sizes by name; a blob of which no block was committed has none. */
  const stored = async (call: string): Promise<unknown> => {
    const { value } = await client.ask('stored', { prefix: `${call}/` });
    const sizes = Object.entries(value as Record<string, number>);
    return Object.fromEntries(sizes.map(([name, size]) => [name.slice(call.length + 1), size]));
  };
  const succeed = async (name: string, facts: object): Promise<Outcome> => {
    const outcome = await client.ask(name, facts);
    expect(outcome).not.toHaveProperty('failure');
    return outcome;
  };
  const upload = (call: string, name: string, bytes = 100): Promise<Outcome> =>
    client.ask('upload', { blob: `${call}/${name}`, bytes });
  /** An upload of which a part is on its way to the store, and no more until that is released. */
  async function heldUp(call: string): Promise<{ readonly outcome: Promise<Outcome> }> {
    const before = testBed.back.bytes;
    testBed.back.hold('requests');
    const outcome = upload(call, 'held', manyBytes);
    await eventually(() => testBed.back.bytes > before);
    return { outcome };
  }

  test('stores what is recorded, with its own key and with a SAS', async () => {
    const { call } = await testBed.recordingCall();
    const names = ['segment 1.wav', "a, b (1)!~'$&+=@.wav", '2026/11/29.wav', 'ü€.wav'];
    for (const name of names) {
      expect(tried(await succeed('upload', { blob: `${call}/${name}`, bytes: 100 }))).toEqual([201]);
      const sas = { blob: `${call}/sas-${name}`, bytes: 200, sas: true };
      expect(tried(await succeed('upload', sas))).toEqual([201]);
    }
    const sizes = names.flatMap((name) => [
      [name, 100],
      [`sas-${name}`, 200],
    ]);
    expect(await stored(call)).toEqual(Object.fromEntries(sizes));
    await succeed('upload', { blob: `${call}/large`, bytes: manyBytes });
    expect((await succeed('size', { blob: `${call}/large` })).value).toBe(manyBytes);
  });

  test('needs no header of its own with a SAS', async () => {
    const { call } = await testBed.recordingCall();
    const facts = { container: plain, tokenIn: 'Authorization' };
    for (const name of ['a, b (1)!.wav', '2026/11/29.wav'])
      await succeed('upload', { blob: `${call}/${name}`, bytes: 1, sas: true, ...facts });
    const { value } = await client.ask('stored', { prefix: `${call}/`, container: plain });
    expect(value).toEqual({ [`${call}/a, b (1)!.wav`]: 1, [`${call}/2026/11/29.wav`]: 1 });
    const keyed = await client.ask('upload', { blob: `${call}/keyed`, bytes: 1, container: plain });
    expect(tried(keyed)).toEqual(['TokenInvalid']);
  });

  test('stores staged blocks and what is appended', async () => {
    const { call } = await testBed.recordingCall();
    for (const block of ['1', '2']) await succeed('stage', { blob: `${call}/staged`, block, bytes: 300 });
    expect(await stored(call)).toEqual({ staged: 0 });
    await succeed('commit', { blob: `${call}/staged`, blocks: ['1', '2'] });
    for (const bytes of [10, 20]) await succeed('append', { blob: `${call}/appended`, bytes });
    expect(await stored(call)).toEqual({ staged: 600, appended: 30 });
  });

  test('cannot remove what is recorded where the route has no DELETE', async () => {
    const { call } = await testBed.recordingCall();
    await succeed('upload', { blob: `${call}/kept`, bytes: 1 });
    const removed = await client.ask('remove', { blob: `${call}/kept` });
    expect(tried(removed)).toEqual(['MethodNotAllowed']);
    expect(await stored(call)).toEqual({ kept: 1 });
  });

  test('does not try again where recording is not confirmed', async () => {
    const bot = await testBed.world.bot();
    const early = await upload(bot.call, 'early');
    expect(tried(early)).toEqual(['RecordingNotActive']);
    expect(early.failure).toMatchObject({ status: 403, code: 'RecordingNotActive' });
    await bot.report('recording');
    await upload(bot.call, 'later');
    expect(await stored(bot.call)).toEqual({ later: 100 });
  });

  test('brings nothing of a call after the stop: a cut write is not repeated with success', async () => {
    const bot = await testBed.recordingCall();
    await upload(bot.call, 'before');
    const { outcome } = await heldUp(bot.call);
    expect((await bot.report('notRecording')).status).toBe(200);
    const cut = await outcome;
    expect(tried(cut).at(-1)).toMatch(/^Recording(?:Stopped|NotActive)$/);
    expect(cut.failure).toMatchObject({ status: 403 });
    testBed.back.release();
    const again = await upload(bot.call, 'after');
    // The connection of the write that was cut may be used once more, and is found broken.
    expect(tried(again).at(-1)).toBe('RecordingNotActive');
    expect(await stored(bot.call)).toEqual({ before: 100 });
  });

  test('keeps what the store had whole before the stop, though its answer was lost', async () => {
    const bot = await testBed.recordingCall();
    testBed.back.hold('answers');
    const outcome = upload(bot.call, 'whole');
    await eventually(async () => Object.keys((await stored(bot.call)) as object).length > 0);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(tried(await outcome).at(-1)).toMatch(/^Recording(?:Stopped|NotActive)$/);
    expect(await stored(bot.call)).toEqual({ whole: 100 });
  });

  test('cannot commit after the stop what it has staged before', async () => {
    const bot = await testBed.recordingCall();
    await succeed('stage', { blob: `${bot.call}/staged`, block: '1', bytes: 300 });
    await bot.report('notRecording');
    const stage = await client.ask('stage', { blob: `${bot.call}/staged`, block: '2', bytes: 300 });
    expect(tried(stage)).toEqual(['RecordingNotActive']);
    const commit = await client.ask('commit', { blob: `${bot.call}/staged`, blocks: ['1'] });
    expect(tried(commit)).toEqual(['RecordingNotActive']);
    expect(await stored(bot.call)).toEqual({ staged: 0 });
  });

  test('sends a write again whose connection broke, while recording goes on', async () => {
    const bot = await testBed.recordingCall();
    const { outcome } = await heldUp(bot.call);
    testBed.front.cut();
    testBed.back.release();
    const sent = await outcome;
    expect(tried(sent)).toEqual([0, 201]);
    expect(await stored(bot.call)).toEqual({ held: manyBytes });
  });

  test('keeps the names of others byte for byte', async () => {
    const { call } = await testBed.recordingCall();
    await succeed('uploadAt', { call, rest: '2026/11/a,b!.wav', bytes: 7 });
    expect(await stored(call)).toEqual({ '2026/11/a,b!.wav': 7 });
    // What would decode a second time is refused, before anybody looks at the token of a route.
    const twice = await client.ask('uploadAt', { call, rest: '%2e', bytes: 7 });
    expect(twice.failure?.status).toBe(401);
  });

  test('sends again what is refused for a while, if its package does', async () => {
    const bot = await testBed.recordingCall();
    const { outcome } = await heldUp(bot.call);
    const second = await upload(bot.call, 'second');
    expect(tried(second)).toEqual(times(tries.tooMany, 'TooManyUploads'));
    testBed.back.release();
    expect(tried(await outcome)).toEqual([201]);

    testBed.back.hold('connections');
    expect(tried(await upload(bot.call, 'third'))).toEqual(times(tries.noHandler, 'UpstreamFailed'));
    testBed.back.release();
    expect(await stored(bot.call)).toEqual({ held: manyBytes });

    const unknown = await testBed.world.bot();
    testBed.gates.break();
    expect(tried(await upload(unknown.call, 'x'))).toEqual(times(tries.noStore, 'StoreUnavailable'));
    testBed.gates.mend();
    expect(await stored(unknown.call)).toEqual({});
  });

  test.each(otherStatuses)('sends again what is answered %d, if its package does', async (status) => {
    const { call } = await testBed.recordingCall();
    const outcome = await client.ask('upload', {
      container: 'refusals',
      blob: `${call}/${status}`,
      bytes: 1,
    });
    expect(tried(outcome)).toEqual(times(tries[status], status));
  });

  test('does not get through while the product shuts down', async () => {
    const bot = await testBed.recordingCall();
    const { outcome } = await heldUp(bot.call);
    await testBed.shutDown();
    const cut = tried(await outcome);
    expect(cut).toHaveLength(tries.shutdown);
    expect(cut[0]).toBe('ShuttingDown');
    expect(cut).not.toContain(201);
    testBed.back.release();
    expect(await stored(bot.call)).toEqual({});
  });
}
