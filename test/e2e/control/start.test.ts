import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bot, Reply } from '../../../src/sandbox/bot/bot.ts';
import type { ScriptRule } from '../../../src/sandbox/graph/script.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ settings: { graphTimeoutMs: 800 } });
});
afterAll(async () => {
  await world.close();
});

const operationId = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
/** Spaces, order and letter case that no serializer of ours would write. */
const oddBody = `{ "status" :\t"Completed",\r\n "id":"${operationId}" , "more": [1.50, "\\u00e9"] }\n`;
const raw = (status: number, body?: string, headers: Record<string, string> = {}): ScriptRule['answer'] => ({
  raw: { status, headers, ...(body === undefined ? {} : { body }) },
});
const operation = (status: string | null, resultInfo: unknown = null): ScriptRule['answer'] => ({
  operation: { status, resultInfo },
});

interface Expected {
  readonly status: number;
  readonly gate: 'open' | 'closed' | undefined;
  readonly reason?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const opened: Expected = { status: 200, gate: 'open' };
const closed: Expected = { status: 200, gate: 'closed' };
/** No answer of Graph to pass on: the answer is the proxy's. */
const failed = (status: number, reason: string): Expected => ({ status, gate: undefined, reason });

const answers: readonly (readonly [string, ScriptRule['answer'], Expected])[] = [
  ['completed', 'asUsual', opened],
  ['Completed, written unusually', raw(200, oddBody), { ...opened, body: oddBody }],
  [
    'completed, with a Location at another place',
    raw(200, '{"status":"completed"}', { location: 'https://elsewhere.example/' }),
    opened,
  ],
  ['completed with a result of 200', operation('completed', { code: 200, subcode: 0 }), opened],
  ['completed with a result of "204"', operation('completed', { code: '204' }), opened],
  ['completed with a result of 403', operation('completed', { code: 403 }), closed],
  ['failed', operation('failed', { code: 500, subcode: 5000 }), closed],
  ['running, and completed later', { pending: { afterMs: 150 } }, opened],
  ['running, and failed later', { pending: { then: 'failed', afterMs: 150 } }, closed],
  ['running without end', { pending: {} }, closed],
  ['notStarted without end', { pending: { as: 'notStarted' } }, closed],
  ['an operation without a status', { pending: { as: null } }, closed],
  ['an operation of an unknown status', raw(200, '{"status":"succeeded"}'), closed],
  ['200 without a body, but with an operation that is completed', 'empty', opened],
  ['202 with an operation that is completed', 'accepted', opened],
  ['200 without a body and without an operation', raw(200), { ...closed, body: '' }],
  ['202 without a body and without an operation', raw(202), { ...closed, status: 202, body: '' }],
  ['204', raw(204), { ...closed, status: 204, body: '' }],
  ['200 with half of a JSON body', 'garbage', { ...closed, body: '{"status":"completed' }],
  ['an answer that is cut', 'truncated', failed(502, 'GraphUnreachable')],
  ['a connection that is reset', 'reset', failed(502, 'GraphUnreachable')],
  ['nothing', 'none', failed(504, 'GraphTimeout')],
  [
    '429 with a fractional Retry-After',
    'throttled',
    { ...closed, status: 429, headers: { 'retry-after': '2.128' } },
  ],
  ['500', 'serverError', { ...closed, status: 500 }],
  ['500 that says completed', raw(500, '{"status":"completed"}'), { ...closed, status: 500 }],
  [
    '404 for a call that nobody has',
    { error: { status: 404, code: 'UnknownError' } },
    failed(404, 'CallNotFound'),
  ],
  [
    'a redirect to another place',
    { redirect: 'https://elsewhere.example/v1.0' },
    failed(502, 'GraphRedirect'),
  ],
  [
    'an answer of more than 64 KiB that says completed',
    raw(200, `{"status":"completed","padding":"${'x'.repeat(65 * 1024)}"}`),
    failed(502, 'GraphAnswerTooLarge'),
  ],
];

async function started(answer: ScriptRule['answer']): Promise<{ bot: Bot; reply: Reply }> {
  const bot = await world.bot();
  world.graph.script({ action: 'updateRecordingStatus', call: bot.call, answer });
  return { bot, reply: await bot.report('recording') };
}

const statusRequests = (bot: Bot): (string | null)[] =>
  world.graph.log
    .filter(({ call, action }) => call === bot.call && action === 'updateRecordingStatus')
    .map(({ asked }) => asked);

describe('when Graph answers a start with', () => {
  test.concurrent.each(answers)(
    '%s, the gate follows and the answer is Graph’s own',
    async (_, answer, expected) => {
      const { bot, reply } = await started(answer);
      expect(reply.status).toBe(expected.status);
      expect(reply.headers['tallylight-gate']).toBe(expected.gate);
      expect(reply.headers['tallylight-reason']).toBe(expected.reason);
      if (expected.body !== undefined) expect(reply.body).toBe(expected.body);
      expect(reply.headers).toMatchObject(expected.headers ?? {});

      const upload = await bot.upload('now', 64);
      expect(upload.status).toBe(expected.gate === 'open' ? 201 : 403);
      if (expected.gate !== 'open') expect(upload.headers['tallylight-reason']).toBe('RecordingNotActive');
      expect(world.sink.received.filter(({ callId }) => callId === bot.call)).toHaveLength(
        expected.gate === 'open' ? 1 : 0,
      );
      expect(statusRequests(bot)).toEqual(['recording']);
    },
  );

  test('a redirect to itself, it is passed with its Location rewritten and opens nothing', async () => {
    const { bot, reply } = await started({ redirect: `${world.graph.url}/v1.0/communications/other?a=b` });
    expect(reply.status).toBe(307);
    expect(reply.headers.location).toBe(`${world.proxy.url}/v1.0/communications/other?a=b`);
    expect(reply.headers['tallylight-gate']).toBe('closed');
    expect((await bot.upload('now', 64)).status).toBe(403);
  });

  test('8506, the reason says that it can never be cured', async () => {
    const bot = await world.bot({ policyBased: false });
    const reply = await bot.report('recording');
    expect(reply.status).toBe(403);
    expect(JSON.parse(reply.body)).toMatchObject({ error: { code: '8506' } });
    expect(reply.headers['tallylight-reason']).toBe('NotPolicyCall');
    expect(reply.headers['tallylight-gate']).toBe('closed');
    expect((await bot.upload('now', 64)).status).toBe(403);
  });

  test('7505, the reason says that the token is of another tenant', async () => {
    const { bot, reply } = await started({ error: { status: 403, code: '7505' } });
    expect(reply.status).toBe(403);
    expect(JSON.parse(reply.body)).toMatchObject({ error: { code: '7505' } });
    expect(reply.headers['tallylight-reason']).toBe('TenantMismatch');
    expect(reply.headers['tallylight-gate']).toBe('closed');
    expect((await bot.upload('now', 64)).status).toBe(403);
    expect(statusRequests(bot)).toEqual(['recording']);
  });

  test.concurrent.each<[string, ScriptRule['answer']]>([
    ['failed', operation('failed')],
    ['nothing', 'none'],
    ['500', 'serverError'],
    ['running without end', { pending: {} }],
  ])('%s, the next start may succeed', async (_, answer) => {
    const { bot, reply } = await started(answer);
    expect(reply.headers['tallylight-gate']).not.toBe('open');
    expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
    expect((await bot.upload('now', 64)).status).toBe(201);
  });

  test('a success that comes only after the operation was given up, the gate stays closed', async () => {
    const bot = await world.bot();
    const script = world.graph.script({
      action: 'updateRecordingStatus',
      call: bot.call,
      answer: { pending: {} },
    });
    expect((await bot.report('recording')).headers['tallylight-gate']).toBe('closed');
    script.release();
    expect(world.graph.recordingState(bot.call)).toBe('recording');
    expect((await bot.upload('now', 64)).status).toBe(403);
  });

  test('an operation of another call, only the own call is asked about it', async () => {
    const [bot, other] = [await world.bot(), await world.bot()];
    await other.report('recording');
    const named = (await other.post('updateRecordingStatus', { status: 'recording' })).body;
    const { id } = JSON.parse(named) as { id: string };
    world.graph.script({
      action: 'updateRecordingStatus',
      call: bot.call,
      answer: raw(200, JSON.stringify({ id, status: 'running' })),
      effect: 'never',
    });
    expect((await bot.report('recording')).headers['tallylight-gate']).toBe('closed');
    const polls = world.graph.log.filter(({ path }) => path.endsWith(`/operations/${id}`));
    expect(polls.length).toBeGreaterThan(0);
    expect(polls.every(({ call }) => call === bot.call)).toBe(true);
  });
});

describe('a start that is repeated while recording', () => {
  test('is forwarded, and the gate stays open', async () => {
    const { bot } = await started('asUsual');
    const again = await bot.report('recording');
    expect(again.status).toBe(200);
    expect(again.headers['tallylight-gate']).toBe('open');
    expect(statusRequests(bot)).toEqual(['recording', 'recording']);
  });

  test.concurrent.each<[string, ScriptRule['answer'], number]>([
    ['500', 'serverError', 500],
    ['429', 'throttled', 429],
    ['failed', operation('failed', { code: 500 }), 200],
    ['nothing', 'none', 504],
  ])('and answered with %s does not undo the first success', async (_, answer, status) => {
    const { bot } = await started('asUsual');
    world.graph.script({ action: 'updateRecordingStatus', call: bot.call, answer });
    expect((await bot.report('recording')).status).toBe(status);
    expect((await bot.upload('still', 64)).status).toBe(201);
  });

  test.concurrent.each<[string, ScriptRule['answer'], number]>([
    ['404', { error: { status: 404, code: 'UnknownError' } }, 404],
    ['8506', 'notPolicyCall', 403],
    ['7505', { error: { status: 403, code: '7505' } }, 403],
  ])('and answered with %s closes the gate', async (_, answer, status) => {
    const { bot } = await started('asUsual');
    world.graph.script({ action: 'updateRecordingStatus', call: bot.call, answer });
    const again = await bot.report('recording');
    expect(again.status).toBe(status);
    expect(again.headers['tallylight-gate']).toBe('closed');
    expect((await bot.upload('no more', 64)).status).not.toBe(201);
  });
});
