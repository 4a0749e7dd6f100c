import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseCallKey } from '../../../src/core/call/key.ts';
import type { StateName } from '../../../src/core/call/state.ts';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import type { ScriptRule } from '../../../src/sandbox/graph/script.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld, type World } from '../../support/world.ts';

const store = memoryStore({ livedMs: Infinity });
let world: World;
beforeAll(async () => {
  world = await startWorld({ settings: { graphTimeoutMs: 800 }, openStore: () => store });
});
afterAll(async () => {
  await world.close();
});

async function recordingBot(): Promise<Bot> {
  const bot = await world.bot();
  expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
  return bot;
}

const statusRequests = (bot: Bot): (string | null)[] =>
  world.graph.log
    .filter(({ call, action }) => call === bot.call && action === 'updateRecordingStatus')
    .map(({ asked }) => asked);
const stateOf = async (bot: Bot): Promise<StateName | undefined> =>
  (await store.calls.read(parseCallKey(bot.call)!)).state?.state;
const received = (bot: Bot): World['sink']['received'] =>
  world.sink.received.filter(({ callId }) => callId === bot.call);
const isOpen = async (bot: Bot): Promise<boolean> => (await bot.upload('probe', 1)).status === 201;

const raw = (status: number, body?: string): ScriptRule['answer'] => ({
  raw: { status, headers: {}, ...(body === undefined ? {} : { body }) },
});

interface Expected {
  readonly status: number;
  readonly reason?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Row = readonly [string, ScriptRule['answer'], Expected];

/** After these the stop is over: the next start goes out at once. */
const definite: readonly Row[] = [
  ['completed', 'asUsual', { status: 200 }],
  [
    'Completed, written unusually',
    raw(200, '{ "status":\t"Completed" }'),
    { status: 200, body: '{ "status":\t"Completed" }' },
  ],
  ['failed', { operation: { status: 'failed' } }, { status: 200 }],
  ['running, and completed later', { pending: { afterMs: 150 } }, { status: 200 }],
  ['running, and failed later', { pending: { then: 'failed', afterMs: 150 } }, { status: 200 }],
  ['200 without a body, but with an operation that is completed', 'empty', { status: 200 }],
  ['202 with an operation that is completed', 'accepted', { status: 200 }],
  ['400', { error: { status: 400, code: 'BadRequest' } }, { status: 400 }],
  ['8506', 'notPolicyCall', { status: 403, reason: 'NotPolicyCall' }],
];

/** After these nobody knows: the next start needs a confirmed stop first. */
const unknown: readonly Row[] = [
  ['running without end', { pending: {} }, { status: 200 }],
  ['notStarted without end', { pending: { as: 'notStarted' } }, { status: 200 }],
  ['an operation without a status', { pending: { as: null } }, { status: 200 }],
  ['200 without a body and without an operation', raw(200), { status: 200, body: '' }],
  ['204', raw(204), { status: 204, body: '' }],
  ['200 with half of a JSON body', 'garbage', { status: 200, body: '{"status":"completed' }],
  ['an answer that is cut', 'truncated', { status: 502, reason: 'GraphUnreachable' }],
  ['a connection that is reset', 'reset', { status: 502, reason: 'GraphUnreachable' }],
  ['nothing', 'none', { status: 504, reason: 'GraphTimeout' }],
  ['429 with a fractional Retry-After', 'throttled', { status: 429, headers: { 'retry-after': '2.128' } }],
  ['500', 'serverError', { status: 500 }],
  [
    'a redirect to another place',
    { redirect: 'https://elsewhere.example/' },
    { status: 502, reason: 'GraphRedirect' },
  ],
];

async function stopped(answer: ScriptRule['answer'], expected: Expected): Promise<Bot> {
  const bot = await recordingBot();
  world.graph.script({ action: 'updateRecordingStatus', call: bot.call, asked: 'notRecording', answer });
  const reply = await bot.report('notRecording');
  expect(reply.status).toBe(expected.status);
  expect(reply.headers['tallylight-reason']).toBe(expected.reason);
  if (expected.reason === undefined || expected.reason === 'NotPolicyCall')
    expect(reply.headers['tallylight-gate']).toBe('closed');
  if (expected.body !== undefined) expect(reply.body).toBe(expected.body);
  expect(reply.headers).toMatchObject(expected.headers ?? {});
  expect(await isOpen(bot)).toBe(false);
  return bot;
}

describe('when Graph answers a stop with', () => {
  test.concurrent.each(definite)(
    '%s, the gate is closed and a new start goes out alone',
    async (_, answer, expected) => {
      const bot = await stopped(answer, expected);
      expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
      expect(statusRequests(bot)).toEqual(['recording', 'notRecording', 'recording']);
      expect(await isOpen(bot)).toBe(true);
    },
  );

  test.concurrent.each(unknown)(
    '%s, the gate is closed and a new start waits for a confirmed stop',
    async (_, answer, expected) => {
      const bot = await stopped(answer, expected);
      const again = await eventually(async () => {
        const reply = await bot.report('recording');
        return reply.status === 409 ? undefined : reply;
      });
      expect(again.headers['tallylight-gate']).toBe('open');
      const [first, stop, ...rest] = statusRequests(bot);
      expect([first, stop]).toEqual(['recording', 'notRecording']);
      expect(rest.slice(0, 1)).toEqual(['notRecording']);
      expect(rest.at(-1)).toBe('recording');
      expect(rest.filter((asked) => asked === 'recording')).toHaveLength(1);
      expect(await isOpen(bot)).toBe(true);
    },
  );

  test('a redirect to itself, it is passed with its Location rewritten', async () => {
    const bot = await recordingBot();
    const redirect = `${world.graph.url}/v1.0/communications/other`;
    world.graph.script({ action: 'updateRecordingStatus', call: bot.call, answer: { redirect } });
    const reply = await bot.report('notRecording');
    expect(reply.status).toBe(307);
    expect(reply.headers.location).toBe(`${world.proxy.url}/v1.0/communications/other`);
    expect(await isOpen(bot)).toBe(false);
  });

  test('404, the call has ended', async () => {
    const bot = await recordingBot();
    world.graph.endCall(bot.call);
    expect((await bot.report('notRecording')).status).toBe(404);
    const again = await bot.report('recording');
    expect(again.status).toBe(404);
    expect(again.headers['tallylight-reason']).toBe('CallEnded');
    expect(statusRequests(bot)).toEqual(['recording', 'notRecording']);
  });

  test('nothing to a confirmation of ours either, a new start is refused as unconfirmed', async () => {
    const bot = await stopped('serverError', { status: 500 });
    world.graph.script({
      action: 'updateRecordingStatus',
      call: bot.call,
      asked: 'notRecording',
      times: 100,
      answer: 'serverError',
    });
    const again = await bot.report('recording');
    expect(again.status).toBe(409);
    expect(again.headers['tallylight-reason']).toBe('StopUnconfirmed');
    expect(statusRequests(bot).slice(1)).not.toContain('recording');
  });
});

describe('a stop', () => {
  test('is also what a bot reports as failed', async () => {
    const bot = await recordingBot();
    const upload = bot.slowUpload('long');
    upload.send(640);
    const write = await eventually(() => received(bot).find(({ bytes }) => bytes > 0));
    const reply = await bot.report('failed');
    expect(reply.status).toBe(200);
    expect(reply.headers['tallylight-gate']).toBe('closed');
    await upload.over;
    const sent = world.graph.log.find(({ call, asked }) => call === bot.call && asked === 'failed');
    await eventually(() => write.endedAt !== null);
    expect(write.lastByteAt).toBeLessThan(sent?.receivedAt ?? 0);
    expect(world.graph.recordingState(bot.call)).toBe('failed');
    expect(await isOpen(bot)).toBe(false);
  });

  test('may be repeated, and is forwarded each time', async () => {
    const bot = await recordingBot();
    for (let time = 0; time < 3; time++) expect((await bot.report('notRecording')).status).toBe(200);
    expect(statusRequests(bot)).toEqual(['recording', 'notRecording', 'notRecording', 'notRecording']);
  });

  test('may come before any start', async () => {
    const bot = await world.bot();
    expect((await bot.report('notRecording')).headers['tallylight-gate']).toBe('closed');
    expect(world.graph.recordingState(bot.call)).toBe('notRecording');
  });

  test('that overtakes a start waits for it, and Graph sees the two in order', async () => {
    const bot = await world.bot();
    const held = world.graph.script({
      action: 'updateRecordingStatus',
      call: bot.call,
      asked: 'recording',
      hold: true,
    });
    const starting = bot.report('recording');
    await eventually(() => held.used > 0);
    const stopping = bot.report('notRecording');
    await eventually(async () => (await stateOf(bot)) === 'stopping');
    expect(statusRequests(bot)).toEqual(['recording']);
    held.release();
    const start = await starting;
    expect(start.status).toBe(200);
    expect(start.headers['tallylight-gate']).toBe('closed');
    expect((await stopping).headers['tallylight-gate']).toBe('closed');
    expect(statusRequests(bot)).toEqual(['recording', 'notRecording']);
    expect(world.graph.recordingState(bot.call)).toBe('notRecording');
    expect(await isOpen(bot)).toBe(false);
  });
});
