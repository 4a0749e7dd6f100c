import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CallRow } from '../../../src/console/row.ts';
import type { StandingHold } from '../../../src/core/call/hold.ts';
import type { EvidenceRecord } from '../../../src/core/call/evidence.ts';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import { breakable } from '../../../src/sandbox/breakable-store.ts';
import { sandboxApp, sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { askConsole, callsOf, type ConsoleAnswer, localConsole } from '../../support/console.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld, verifyEvidence, type World } from '../../support/world.ts';

const store = breakable(memoryStore({ livedMs: Infinity }));
let world: World;
let url: string;
beforeAll(async () => {
  world = await startWorld({
    // An instance that loses its store here closes its gates soon.
    settings: { console: localConsole, sessionTtlMs: 1500 },
    openStore: () => store,
  });
  url = world.proxy.consoleUrl ?? '';
});
afterAll(() => world.close());

const rowOf = async (call: string): Promise<CallRow | undefined> =>
  (await callsOf(url)).find(({ id }) => id === call);

const inState = (call: string, state: CallRow['state']): Promise<CallRow> =>
  eventually(async () => {
    const row = await rowOf(call);
    return row?.state === state ? row : undefined;
  });

async function recordingBot(): Promise<Bot> {
  const bot = await world.bot();
  expect((await bot.report('recording')).status).toBe(200);
  await inState(bot.call, 'recording');
  return bot;
}

const close = (call: string, reason: unknown = 'audit'): Promise<ConsoleAnswer> =>
  askConsole(url, `/api/calls/${call}/close`, { method: 'POST', body: { reason } });
const hold = (body: object): Promise<ConsoleAnswer> => askConsole(url, '/api/hold', { method: 'POST', body });
const release = (id: string): Promise<ConsoleAnswer> =>
  askConsole(url, `/api/hold/${id}`, { method: 'DELETE', body: { reason: 'over' } });

const asked = (bot: Bot, what: string): number =>
  world.graph.log.filter(
    ({ call, asked: status }) =>
      status === what && call?.replaceAll('-', '') === bot.call.replaceAll('-', ''),
  ).length;

async function evidenceOf(call: string): Promise<readonly EvidenceRecord[]> {
  const { body } = await askConsole(url, `/api/calls/${call}`);
  return (body as { readonly evidence: readonly EvidenceRecord[] }).evidence;
}

const codeOf = ({ body }: ConsoleAnswer): string =>
  (body as { readonly error: { readonly code: string } }).error.code;

describe('a close by hand', () => {
  test('ends writes, tells Graph, and is evidence with who and why', async () => {
    const bot = await recordingBot();
    const upload = bot.slowUpload('long');
    upload.send(1000);
    await eventually(() => world.sink.received.find(({ bytes }) => bytes > 0));
    const { status, body } = await close(bot.call, '<b>audit</b> & "more"');
    expect({ status, body }).toEqual({
      status: 200,
      body: { state: 'idle', told: 'graph', reason: '<b>audit</b> & "more"' },
    });
    await upload.over;
    expect(asked(bot, 'notRecording')).toBe(1);
    expect((await bot.upload('late', 10)).status).toBe(403);
    expect(await inState(bot.call, 'idle')).toMatchObject({
      notRecordedBecause: 'An operator closed the recording by hand.',
    });
    const requested = (await evidenceOf(bot.call)).find(({ event }) => event === 'stopRequested');
    expect(requested?.detail).toMatchObject({
      cause: 'operator',
      operator: { issuer: 'local', subject: 'local' },
      operatorReason: '<b>audit</b> & "more"',
    });
  });

  test('opens again only by a recording that Graph confirms', async () => {
    const bot = await recordingBot();
    await close(bot.call);
    expect((await bot.upload('late', 10)).status).toBe(403);
    expect((await bot.report('recording')).status).toBe(200);
    expect((await bot.upload('again', 10)).status).toBe(201);
  });

  test('twice at once is one stop', async () => {
    const bot = await recordingBot();
    const answers = await Promise.all([close(bot.call), close(bot.call)]);
    expect(answers.map(({ status }) => status).filter((status) => ![200, 202].includes(status))).toEqual([]);
    expect((await bot.upload('late', 10)).status).toBe(403);
    await inState(bot.call, 'idle');
  });

  test('during a stop of the bot is accepted, and the call ends up stopped', async () => {
    const bot = await recordingBot();
    const pending = world.graph.script({
      action: 'updateRecordingStatus',
      call: bot.call,
      answer: { pending: {} },
    });
    const stop = bot.report('notRecording');
    await eventually(() => asked(bot, 'notRecording') > 0);
    const closing = close(bot.call);
    expect((await bot.upload('late', 10)).status).toBe(403);
    pending.release();
    expect((await stop).status).toBe(200);
    expect([200, 202]).toContain((await closing).status);
    await inState(bot.call, 'idle');
  });

  test.each(['00000000-0000-4000-8000-00000000dead', 'no-guid', '%2e%2e', "'><script>"])(
    'of %s, which is no call, is refused',
    async (id) => {
      const answer = await close(encodeURIComponent(id));
      expect(answer.status).toBe(404);
      expect(codeOf(answer)).toBe('CallNotFound');
    },
  );

  test.each([[null], [''], ['   '], [7], ['x'.repeat(501)], ['two\nlines'], ['\u202Egnirts']])(
    'for the reason %j is refused, and closes nothing',
    async (reason) => {
      const bot = await recordingBot();
      const answer = await close(bot.call, reason);
      expect([answer.status, codeOf(answer)]).toEqual([400, 'BodyInvalid']);
      expect((await bot.upload('on', 10)).status).toBe(201);
    },
  );

  test('with the store down closes the gate all the same, and is completed when the store is back', async () => {
    const bot = await recordingBot();
    const upload = bot.slowUpload('long');
    upload.send(1000);
    const before = world.sink.received.length;
    store.break();
    let answer: ConsoleAnswer;
    try {
      answer = await close(bot.call);
      expect([answer.status, codeOf(answer)]).toEqual([503, 'StoreUnavailable']);
      await upload.over;
      expect((await bot.upload('late', 10)).status).toBe(403);
    } finally {
      store.mend();
    }
    expect(before).toBeGreaterThan(0);
    await inState(bot.call, 'idle');
    expect(asked(bot, 'notRecording')).toBeGreaterThan(0);
  });
});

describe('a hold', () => {
  test.each([
    ['all calls', { all: true }],
    ['the tenant', { tenant: sandboxTenant.toUpperCase() }],
    ['the application', { app: sandboxApp }],
  ])('for %s closes open gates, lets none open, and opens none when it is released', async (_, scope) => {
    const bot = await recordingBot();
    const set = await hold({ ...scope, reason: 'incident 7' });
    expect([200, 202]).toContain(set.status);
    const { hold: standing } = set.body as { readonly hold: StandingHold };
    expect(standing).toMatchObject({ reason: 'incident 7', by: { issuer: 'local', subject: 'local' } });
    await eventually(async () => (await bot.upload('held', 10)).status === 403);
    await eventually(async () => (await rowOf(bot.call))?.held === true);
    expect(await eventually(() => rowOf(bot.call))).toMatchObject({ attention: ['held'] });
    const refused = await bot.report('recording');
    expect([refused.status, refused.headers['tallylight-reason']]).toEqual([403, 'HoldStands']);
    const { body } = await askConsole(url, '/api/holds');
    expect(body).toEqual({ holds: [standing] });

    expect([200, 202]).toContain((await release(standing.id)).status);
    expect((await bot.upload('released', 10)).status).toBe(403);
    await eventually(async () => (await bot.report('recording')).status === 200);
    expect((await bot.upload('again', 10)).status).toBe(201);
    expect((await askConsole(url, '/api/holds')).body).toEqual({ holds: [] });
  });

  test('of another tenant holds nothing of this one', async () => {
    const bot = await recordingBot();
    const set = await hold({ tenant: '99999999-9999-4999-8999-999999999999', reason: 'elsewhere' });
    expect((await bot.upload('on', 10)).status).toBe(201);
    await release((set.body as { readonly hold: StandingHold }).hold.id);
  });

  test.each([
    [{ reason: 'no scope' }],
    [{ all: true, tenant: sandboxTenant, reason: 'two scopes' }],
    [{ all: 'yes', reason: 'not true' }],
    [{ tenant: '*', reason: 'no tenant' }],
    [{ app: 7, reason: 'no app' }],
    [{ all: true, reason: 'x', until: 'noon' }],
    [{ all: true }],
    [[]],
  ])('that is asked for as %j is refused', async (body) => {
    const answer = await hold(body);
    expect([answer.status, codeOf(answer)]).toEqual([400, 'BodyInvalid']);
    expect((await askConsole(url, '/api/holds')).body).toEqual({ holds: [] });
  });

  test.each(['00000000-0000-4000-8000-00000000dead', 'nothing', '<i>'])(
    '%s, which does not stand, cannot be released',
    async (id) => {
      const answer = await release(encodeURIComponent(id));
      expect([answer.status, codeOf(answer)]).toEqual([404, 'HoldNotFound']);
    },
  );

  test('released by POST as well, for clients that send no body with DELETE', async () => {
    const set = await hold({ all: true, reason: 'short' });
    const { id } = (set.body as { readonly hold: StandingHold }).hold;
    const answer = await askConsole(url, `/api/hold/${id}/release`, {
      method: 'POST',
      body: { reason: 'over' },
    });
    expect([200, 202]).toContain(answer.status);
  });
});

test('a hold stands over a restart, with evidence that verifies', async () => {
  const first = await startWorld({ settings: { console: localConsole } });
  try {
    const evidenceDir = `${first.directory}/evidence`;
    const set = await askConsole(first.proxy.consoleUrl ?? '', '/api/hold', {
      method: 'POST',
      body: { all: true, reason: 'over night' },
    });
    const { hold: standing } = set.body as { readonly hold: StandingHold };
    await first.closeAndVerify();
    const second = await startWorld({ settings: { console: localConsole, evidenceDir } });
    try {
      const bot = await second.bot();
      // Until the journal has been read, it is not known what stands.
      const reason = await eventually(async () => {
        const { headers } = await bot.report('recording');
        return headers['tallylight-reason'] === 'HoldsUnknown' ? undefined : headers['tallylight-reason'];
      });
      expect(reason).toBe('HoldStands');
      const { body } = await askConsole(second.proxy.consoleUrl ?? '', '/api/holds');
      expect(body).toEqual({ holds: [standing] });
    } finally {
      await second.close();
    }
    expect(await verifyEvidence(first.directory)).toMatchObject({ ok: true });
  } finally {
    await first.close();
  }
});
