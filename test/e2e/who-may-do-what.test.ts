import { randomUUID } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { actions, type ActionRow } from '../../src/core/graph/action-table.ts';
import { parseCallKey } from '../../src/core/call/key.ts';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import {
  after,
  callers,
  startTestBed,
  type Caller,
  type TestBed,
  type Standing,
} from '../support/callers.ts';
import { eventually } from '../support/eventually.ts';
import { app } from '../support/issuer.ts';
import { batch, callIs, recordsIn } from '../support/notified-bot.ts';
import { json, send, type Answer } from '../support/raw-http.ts';
import { startWorld, type World } from '../support/world.ts';

/** What must come of a request: refused by the proxy, answered by Graph with a refusal of its own, or let through. */
type Expected =
  | { readonly refused: readonly [status: number, reason: string] }
  | { readonly byGraph: number }
  | { readonly reaches: 'graph' | 'recorder' | 'bot' };

interface Action {
  readonly name: string;
  readonly method: string;
  readonly path: (call: string) => string;
  readonly headers?: (call: string) => OutgoingHttpHeaders;
  readonly body?: (call: string) => unknown;
}

const refused = (status: number, reason: string): Expected => ({ refused: [status, reason] });

/** The rules that hold on every plane. */
const notLetIn: Partial<Record<Standing, Expected>> = {
  missing: refused(401, 'TokenMissing'),
  invalid: refused(401, 'TokenInvalid'),
  expired: refused(401, 'TokenExpired'),
  notListed: refused(403, 'TokenNotAllowed'),
  unverifiable: refused(503, 'CannotVerify'),
  unreadable: refused(401, 'GraphTokenUnreadable'),
};

/** What nobody may do, whoever asks. */
const forbidden: Readonly<Record<string, string>> = {
  'PATCH communications/calls/{call}': 'ActionRefused',
  'GET communications/calls': 'ActionRefused',
  'POST communications/calls/{call}/operations': 'ActionRefused',
  'DELETE communications/calls/{call}/operations/{operation}': 'ActionRefused',
  'POST communications/calls/{call}/participants': 'ActionRefused',
  'PATCH communications/calls/{call}/participants/{participant}': 'ActionRefused',
  'POST $batch': 'BatchRefused',
};

interface ControlAction extends Action {
  readonly row: string;
  readonly ofCall: boolean;
}

function expectedOnControl({ row, ofCall }: ControlAction, standing: Standing): Expected {
  const outside = notLetIn[standing];
  if (outside !== undefined) return outside;
  const never = forbidden[row];
  if (never !== undefined) return refused(403, never);
  if (standing === 'owner' || standing === 'graphOwner') return { reaches: 'graph' };
  if (standing === 'graphRefuses') return { byGraph: 401 };
  if (standing === 'graphStranger') return ofCall ? { byGraph: 404 } : { reaches: 'graph' };
  // The Graph credential is for the bot alone.
  return ofCall ? refused(404, 'CallNotFound') : refused(403, 'GraphCredentialMissing');
}

const bodies: Readonly<Record<string, unknown>> = {
  updateMetadata: { metadata: 'x' },
  answer: { callbackUri: 'https://calls.example/pod/api/calling/a' },
  calls: { callbackUri: 'https://calls.example/pod/api/calling/a' },
  '{operation}': { clientContext: 'x' },
};

/** One action for each row of the table of Graph's actions, and one for each status. */
const controlActions: readonly ControlAction[] = actions.flatMap((row) => {
  const last = row.template.split('/').at(-1) ?? '';
  if (last !== 'updateRecordingStatus') return [ofRow(row, bodies[last])];
  return ['recording', 'notRecording', 'failed'].map((status) => ofRow(row, { status }, ` ${status}`));
});

function ofRow({ method, template, version = 'v1.0' }: ActionRow, body: unknown, note = ''): ControlAction {
  const range = 'fromDateTime=2030-01-01,toDateTime=2030-01-02';
  return {
    name: `${method} ${template}${note}`,
    row: `${method} ${template}`,
    ofCall: template.includes('{call}'),
    method,
    path: (call) =>
      `/${version}/${template}`
        .replace('{call}', call)
        .replace('(fromDateTime,toDateTime)', `(${range})`)
        .replace(/\{\w+\}/g, 'an-id'),
    ...(method === 'POST' || method === 'PATCH' ? { body: () => body ?? {} } : {}),
  };
}

interface MediaAction extends Action {
  readonly does: 'writes' | 'streams' | 'reads' | 'readsNothing' | 'unoffered' | 'onlyStreams';
}

/** The handlers here agree to no WebSocket, so that its answer is one of HTTP. */
const upgrade = {
  ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

const media = (method: string, path: (call: string) => string, does: MediaAction['does']): MediaAction => ({
  name: `${method} ${path('{call}')}`,
  ...{ method, path, does },
  headers: (call) => ({
    ...(path(call).startsWith('/by-header') ? { 'x-call-id': call } : {}),
    ...(does === 'streams' ? upgrade : {}),
  }),
  ...(does === 'writes' ? { body: () => 'media' } : {}),
});

const mediaActions: readonly MediaAction[] = [
  media('POST', (call) => `/media/${call}/a`, 'writes'),
  media('PUT', (call) => `/media/${call}/a`, 'writes'),
  media('GET', (call) => `/media/${call}/a`, 'reads'),
  media('HEAD', (call) => `/media/${call}/a`, 'reads'),
  media('OPTIONS', (call) => `/media/${call}/a`, 'reads'),
  media('DELETE', (call) => `/media/${call}/a`, 'unoffered'),
  media('POST', (call) => `/gated/${call}/a`, 'writes'),
  media('GET', (call) => `/gated/${call}/a`, 'reads'),
  media('POST', (call) => `/writeonly/${call}`, 'writes'),
  media('GET', (call) => `/writeonly/${call}`, 'readsNothing'),
  media('GET', (call) => `/live/${call}?stream`, 'streams'),
  media('GET', (call) => `/live/${call}`, 'onlyStreams'),
  media('POST', (call) => `/live/${call}`, 'onlyStreams'),
  media('POST', () => '/by-header', 'writes'),
  media('GET', () => '/by-header', 'reads'),
  media('POST', (call) => `/by-query?call=${call}`, 'writes'),
  media('GET', (call) => `/by-query?call=${call}`, 'reads'),
];

function expectedOfMedia({ does }: MediaAction, standing: Standing): Expected {
  const outside = notLetIn[standing];
  if (outside !== undefined) return outside;
  if (does === 'unoffered') return refused(405, 'MethodNotAllowed');
  if (does === 'onlyStreams') return refused(426, 'UpgradeRequired');
  if (standing === 'stranger')
    return does === 'writes' || does === 'streams'
      ? refused(403, 'RecordingNotActive')
      : refused(404, 'CallNotFound');
  return does === 'readsNothing' ? refused(403, 'ReadsRefused') : { reaches: 'recorder' };
}

const notify: Action = {
  name: 'POST a notification that the call is over',
  method: 'POST',
  path: () => '/pod-7/api/calling/a',
  body: (call) => batch(callIs(call, 'terminated')),
};
const callbackActions: readonly Action[] = [notify, { ...notify, name: 'PUT the same', method: 'PUT' }];

function expectedOfCallback({ method }: Action, standing: Standing): Expected {
  const outside = notLetIn[standing];
  if (outside !== undefined) return outside;
  return method === 'POST' ? { reaches: 'bot' } : refused(405, 'MethodNotAllowed');
}

const obstaclesIn = ({ body }: Answer): string[] =>
  (JSON.parse(body) as { readonly obstacles: readonly { readonly code: string }[] }).obstacles.map(
    ({ code }) => code,
  );

const isRefusal = ({ status, headers }: Answer): boolean =>
  status >= 400 && headers['tallylight-reason'] !== undefined;

const adminPaths = ['/livez', '/readyz', '/readyz/gates', '/metrics'];

async function ask(
  origin: string,
  { method, path, headers, body }: Action,
  call: string,
  authorization: string | undefined,
  id: string,
): Promise<Answer> {
  const sending = body === undefined ? {} : json(body(call));
  return send(origin, {
    method,
    path: path(call),
    ...sending,
    headers: {
      ...sending.headers,
      ...headers?.(call),
      'client-request-id': id,
      ...(authorization === undefined ? {} : { authorization }),
    },
  });
}

describe.each(['jwt', 'graph'] as const)('in `%s` mode', (mode) => {
  let testBed: TestBed;
  /** Is being recorded all the time, whatever strangers try. */
  let victim: string;
  beforeAll(async () => {
    testBed = await startTestBed(mode);
    victim = await testBed.recordingCall();
  });
  afterAll(async () => {
    await testBed.close();
  });

  /** Minted once for all cells. */
  const credentials = new Map<string, Promise<string | undefined>>();
  const authorizationOf = (caller: Caller): Promise<string | undefined> => {
    const known = credentials.get(caller.name) ?? Promise.resolve(caller.authorization(testBed));
    credentials.set(caller.name, known);
    return known;
  };

  const check = async (action: Action, caller: Caller, expected: Expected): Promise<void> => {
    const isLetIn = 'reaches' in expected;
    const call = isLetIn ? await testBed.recordingCall() : victim;
    const before = testBed.reached();
    const id = randomUUID();
    const answer = await ask(testBed.proxy.url, action, call, await authorizationOf(caller), id);
    const told = [answer.status, answer.headers['tallylight-reason']];
    const asked = testBed.graph.log.filter(({ clientRequestId }) => clientRequestId === id);
    if ('refused' in expected) {
      expect(told).toEqual(expected.refused);
      expect(testBed.reached()).toEqual(before);
    } else if ('byGraph' in expected) {
      expect(told).toEqual([expected.byGraph, undefined]);
      expect(asked.map(({ answered }) => answered)).toEqual([expected.byGraph]);
      expect(testBed.reached()).toEqual({ ...before, graph: before.graph + 1 });
    } else {
      expect(told[1]).toBeUndefined();
      const path = action.path(call);
      const reached = {
        graph: asked.map((entry) => entry.path),
        recorder: testBed.recorder.received.slice(before.recorder).map((entry) => entry.path),
        bot: testBed.notified.received.slice(before.bot).map((entry) => entry.path),
      };
      expect(reached[expected.reaches]).toContain(path);
    }
    expect(testBed.graph.recordingState(victim)).toBe('recording');
  };

  interface Cell {
    readonly action: Action;
    readonly caller: Caller;
    readonly expected: Expected;
  }

  const cells = <A extends Action>(
    rows: readonly A[],
    plane: 'jwt' | 'graph' | 'media' | 'callback',
    rule: (action: A, standing: Standing) => Expected,
  ): [string, Cell][] =>
    callers.flatMap((caller) =>
      rows.map((action): [string, Cell] => {
        const expected = rule(action, caller[plane]);
        return [`${caller.name}: ${action.name}: ${JSON.stringify(expected)}`, { action, caller, expected }];
      }),
    );

  const all = [
    ...cells(controlActions, mode, expectedOnControl),
    ...cells(mediaActions, 'media', expectedOfMedia),
    ...cells(callbackActions, 'callback', expectedOfCallback),
  ];
  const isLetIn = ([, { expected }]: (typeof all)[number]): boolean => 'reaches' in expected;

  // What is let in may ask Graph for more behind its caller's back, so it comes last.
  test.each([...all.filter((cell) => !isLetIn(cell)), ...all.filter(isLetIn)])('%s', async (_, cell) => {
    await check(cell.action, cell.caller, cell.expected);
  });

  test('a call that nobody was bound to yet is not a stranger’s, whatever they ask for first', async () => {
    const call = testBed.newCall();
    const before = testBed.reached();
    const strangers = callers.filter((caller) => ['stranger', 'graphStranger'].includes(caller[mode]));
    const asked = controlActions.filter(({ ofCall, row }) => ofCall && forbidden[row] === undefined);
    for (const caller of strangers) {
      for (const action of asked) {
        const authorization = await authorizationOf(caller);
        const answer = await ask(testBed.proxy.url, action, call, authorization, randomUUID());
        const told = mode === 'graph' ? answer.status === 404 : isRefusal(answer);
        expect([caller.name, action.name, told]).toEqual([caller.name, action.name, true]);
      }
    }
    if (mode === 'jwt') expect(testBed.reached()).toEqual(before);
    const since = testBed.graph.log.slice(before.graph).map(({ answered }) => answered);
    expect(since.filter((answered) => answered !== 404)).toEqual([]);
    const bot = new Bot(testBed.proxy.url, (await testBed.botAuthorization()).slice('Bearer '.length), call);
    await eventually(async () => (await bot.report('recording')).headers['tallylight-gate'] === 'open');
  });

  test('media of a call that nobody is bound to is written by nobody, and read by all on the list', async () => {
    const call = testBed.newCall();
    for (const caller of callers.filter(({ media }) => ['uploader', 'stranger'].includes(media))) {
      for (const action of mediaActions) {
        const authorization = await authorizationOf(caller);
        const answer = await ask(testBed.proxy.url, action, call, authorization, randomUUID());
        // The handler has to know whose its recordings are.
        const passes = action.does === 'reads' && !action.path(call).startsWith('/gated');
        expect([caller.name, action.name, isRefusal(answer)]).toEqual([caller.name, action.name, !passes]);
      }
    }
  });

  test('the admin port tells anybody its health and numbers, does nothing, and is not the public port', async () => {
    const before = testBed.reached();
    const authorization = await testBed.botAuthorization();
    for (const path of adminPaths) {
      const health: Action = { name: path, method: 'GET', path: () => path };
      for (const caller of callers) {
        const answer = await ask(testBed.proxy.adminUrl, health, victim, await authorizationOf(caller), 'x');
        // One of the key servers does not answer, so its callers could not open a gate.
        const isReady = path !== '/readyz/gates' || obstaclesIn(answer).join() !== 'KeysMissing';
        expect([caller.name, path, answer.status]).toEqual([caller.name, path, isReady ? 200 : 503]);
      }
      expect(isRefusal(await ask(testBed.proxy.url, health, victim, authorization, 'x'))).toBe(true);
      for (const method of ['POST', 'PUT', 'DELETE'])
        expect((await send(testBed.proxy.adminUrl, { method, path })).status).toBe(404);
    }
    for (const action of [...controlActions, ...mediaActions, ...callbackActions])
      expect((await ask(testBed.proxy.adminUrl, action, victim, authorization, 'x')).status).toBe(404);
    expect(testBed.reached()).toEqual(before);
  });

  test('all that left the call of the bot as it was, and its evidence without a word of the strangers', async () => {
    const upload = await ask(
      testBed.proxy.url,
      mediaActions[0]!,
      victim,
      `Bearer ${await testBed.issuers.good.mint()}`,
      'x',
    );
    expect(upload.headers['tallylight-reason']).toBeUndefined();
    expect(await testBed.closeAndVerify()).toMatchObject({ misfit: null });
    const records = (await recordsIn(testBed.directory)).filter(({ call }) => call === parseCallKey(victim));
    const own = ['bound', 'startRequested', 'startConfirmed', 'writesRefused'];
    expect(records.map(({ event }) => event).filter((event) => !own.includes(event))).toEqual([]);
    expect(records.map(({ by }) => by?.app ?? app).filter((who) => who !== app)).toEqual([]);
  });
});

describe('an upload whose token expires before it ends', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(async () => {
    await world.close();
  });
  const hour = 3_600_000;

  /** An upload that the sink has begun to store, with a token that is good for ten minutes. */
  const uploading = async (): Promise<{ bot: Bot; upload: ReturnType<Bot['slowUpload']> }> => {
    const { call } = await world.bot();
    const token = await world.mint.mint({ exp: Math.floor(Date.now() / 1000) + 600 });
    const bot = new Bot(world.proxy.url, token, call);
    expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
    const upload = bot.slowUpload('long');
    upload.send(640);
    await eventually(() => world.sink.received.some(({ callId, bytes }) => callId === call && bytes >= 640));
    return { bot, upload };
  };

  test('goes on, since it was let in; the next request is refused', async () => {
    const { bot, upload } = await uploading();
    await after(hour, async () => {
      expect((await bot.upload('next', 640)).headers['tallylight-reason']).toBe('TokenExpired');
      expect((await bot.report('notRecording')).headers['tallylight-reason']).toBe('TokenExpired');
      upload.send(640);
      upload.end();
      expect((await upload.over)?.status).toBe(201);
    });
    expect(world.sink.received.find(({ callId }) => callId === bot.call)).toMatchObject({
      bytes: 1280,
      complete: true,
    });
  });

  test('is cut by a stop all the same', async () => {
    const { bot, upload } = await uploading();
    await after(hour, async () => {
      const renewed = new Bot(world.proxy.url, await world.mint.mint(), bot.call);
      expect((await renewed.report('notRecording')).headers['tallylight-gate']).toBe('closed');
      expect((await upload.over)?.status).not.toBe(201);
    });
    expect(world.sink.received.find(({ callId }) => callId === bot.call)?.complete).toBe(false);
  });
});
