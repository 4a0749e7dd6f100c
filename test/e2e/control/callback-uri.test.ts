import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Fault } from '../../../src/core/errors.ts';
import type { Commit } from '../../../src/core/ports/call-store.ts';
import { sandboxApp } from '../../../src/sandbox/token-mint.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { eventually } from '../../support/eventually.ts';
import {
  type NotifiedBot,
  type NotifiedWorld,
  startNotifiedBot,
  startNotifiedWorld,
} from '../../support/notified-bot.ts';
import { type Answer, json, send } from '../../support/raw-http.ts';

/** Its policy rewrites; the sandbox's application has the default one, which flags. */
const rewritingApp = '33333333-3333-4333-8333-333333333333';
const mebibyte = 1024 * 1024;
const path = '/pod-7/api/calling/notifications?instance=private&x=%2F';
const elsewhere = `https://Bot.Example:9441${path}`;

let world: NotifiedWorld;
/** Stands for Graph, so that every byte that it gets can be looked at. */
let graph: NotifiedBot;
let policyDir: string;
beforeAll(async () => {
  policyDir = await mkdtemp(join(tmpdir(), 'tallylight-policies-'));
  const policy = { name: 'rewriting', match: { apps: [rewritingApp] }, callbackUri: 'rewrite' };
  await writeFile(join(policyDir, 'rewriting.json'), JSON.stringify(policy));
  graph = await startNotifiedBot();
  world = await startNotifiedWorld({ settings: () => ({ policyDir, graphUrl: graph.url }) });
});
beforeEach(() => {
  graph.answer = (res) => res.writeHead(202).end();
});
afterAll(async () => {
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
  await graph.goDown();
  await rm(policyDir, { recursive: true });
});

type Sent = ReturnType<typeof json>;

const post = async (action: string, sent: Sent, app = sandboxApp): Promise<Answer> =>
  send(world.proxy.url, {
    method: 'POST',
    path: `/v1.0/communications/calls${action}`,
    token: await world.mint.mint({ azp: app }),
    ...sent,
  });
const body = (callbackUri?: unknown): string =>
  `{ "@odata.type" : "#x", "callbackUri":${JSON.stringify(callbackUri)} ,\n\t"media":"é\\u00e9" }\n`;
const graphGot = (): string => graph.received.at(-1)!.body.toString();
const countOf = (outcome: string): Promise<number> =>
  world.metric('tallylight_callback_uris_total', `outcome="${outcome}"`);
const warnings = (call: string): string[] => {
  const key = call.replaceAll('-', '');
  return world.logged.filter((line) => line.includes('do not reach the proxy') && line.includes(key));
};

/** Sends, and checks that exactly this outcome was counted, once. */
async function counted(outcome: string, ask: () => Promise<Answer>): Promise<Answer> {
  const outcomes = ['proxied', 'rewritten', 'bypasses', 'absent', 'unreadable'];
  const before = await Promise.all(outcomes.map(countOf));
  const answer = await ask();
  expect(await Promise.all(outcomes.map(countOf))).toEqual(
    before.map((count, index) => count + (outcomes[index] === outcome ? 1 : 0)),
  );
  return answer;
}

/** Nothing about the call's callback is in the evidence, and something later is. */
async function expectUnflagged(call: string, app = sandboxApp): Promise<void> {
  await post(`/${call}/updateRecordingStatus`, json({ status: 'notRecording' }), app);
  await world.evidence(call, 'stopRequested');
  expect((await world.evidence(call)).map(({ event }) => event)).not.toContain('callbackBypassed');
  expect(warnings(call)).toEqual([]);
}

async function expectFlagged(call: string, facts: Record<string, unknown>): Promise<void> {
  const flags = await world.evidence(call, 'callbackBypassed');
  expect(flags).toHaveLength(1);
  expect(flags[0]?.detail).toMatchObject(facts);
  expect(warnings(call)).toHaveLength(1);
  for (const text of [JSON.stringify(flags), warnings(call).join('')]) {
    expect(text).not.toContain('private');
    expect(text).not.toContain('api/calling');
  }
}

describe.each(['answer', 'redirect'])('the callbackUri of %s', (action) => {
  const ask = (call: string, sent: Sent, app = sandboxApp): Promise<Answer> =>
    post(`/${call}/${action}`, sent, app);

  test('at the proxy passes as it is', async () => {
    const call = randomUUID();
    const sent = body(world.proxy.url + path);
    expect((await counted('proxied', () => ask(call, json(sent)))).status).toBe(202);
    expect(graphGot()).toBe(sent);
    await expectUnflagged(call);
  });

  test('elsewhere passes as it is, and the call is flagged with the host alone', async () => {
    const call = randomUUID();
    const sent = body(elsewhere);
    const ids = { 'client-request-id': randomUUID(), 'scenario-id': randomUUID() };
    const given = json(sent);
    await counted('bypasses', () => ask(call, { ...given, headers: { ...given.headers, ...ids } }));
    expect(graphGot()).toBe(sent);
    await expectFlagged(call, {
      action,
      outcome: 'bypasses',
      host: 'bot.example:9441',
      clientRequestId: ids['client-request-id'],
      scenarioId: ids['scenario-id'],
    });
  });

  test('elsewhere is written anew where the policy says so, every other byte kept', async () => {
    const call = randomUUID();
    await counted('rewritten', () => ask(call, json(body(elsewhere)), rewritingApp));
    expect(graphGot()).toBe(body(world.proxy.url + path));
    const length = graph.received.at(-1)!.headers['content-length'];
    expect(length).toBe(String(Buffer.byteLength(body(world.proxy.url + path))));
    await expectUnflagged(call, rewritingApp);
  });

  test('elsewhere, at a path that the proxy does not serve, passes and is flagged in spite of the policy', async () => {
    const call = randomUUID();
    const sent = body('https://bot.example/not/served');
    await counted('bypasses', () => ask(call, json(sent), rewritingApp));
    expect(graphGot()).toBe(sent);
    await expectFlagged(call, { outcome: 'bypasses', host: 'bot.example' });
  });

  test.each<[string, string]>([
    ['no callbackUri', '{"media": 1}'],
    ['null', body(null)],
    ['an empty one', body('')],
  ])('of %s: the registration’s counts, nothing is flagged', async (_, sent) => {
    const call = randomUUID();
    await counted('absent', () => ask(call, json(sent)));
    expect(graphGot()).toBe(sent);
    await expectUnflagged(call);
  });

  const gzipped = gzipSync(body(elsewhere));
  test.each<[string, Sent]>([
    ['a body that is not JSON', json('callbackUri=https://bot.example/')],
    ['no body', {}],
    ['another type of content', { headers: { 'content-type': 'text/plain' }, body: body(elsewhere) }],
    [
      'another encoding',
      { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' }, body: gzipped },
    ],
    ['a key that comes twice', json(`{"callbackUri":"${elsewhere}","CallbackUri":"x"}`)],
    ['what is no URL', json(body('bot.example/x'))],
    ['a URL with a user', json(body(`https://user:private@bot.example/api/calling`))],
    ['a number', json(body(4711))],
  ])('in %s cannot be read: it passes as it is, and is flagged', async (_, sent) => {
    const call = randomUUID();
    const answer = await counted('unreadable', () => ask(call, sent, rewritingApp));
    expect(answer.status).toBe(202);
    expect(graph.received.at(-1)!.body).toEqual(Buffer.from(sent.body ?? ''));
    expect(graph.received.at(-1)!.headers['content-type']).toBe(sent.headers?.['content-type']);
    await expectFlagged(call, { outcome: 'unreadable', host: null });
  });

  test('spelled in other letters and escapes is the same', async () => {
    const call = randomUUID();
    const spelled = `{"CALLBACK\\u0055ri":"https:\\/\\/bot.example${path}"}`;
    await counted('rewritten', () => ask(call, json(spelled), rewritingApp));
    expect(JSON.parse(graphGot())).toEqual({ CALLBACKUri: world.proxy.url + path });
  });

  test.each([400, 403, 404, 409, 429, 500])('that Graph refuses with %d flags nothing', async (status) => {
    const call = randomUUID();
    graph.answer = (res) => res.writeHead(status).end('{}');
    const before = await world.metric('tallylight_callback_uris_total');
    expect((await ask(call, json(body(elsewhere)))).status).toBe(status);
    expect(await world.metric('tallylight_callback_uris_total')).toBe(before);
    graph.answer = (res) => res.writeHead(202).end();
    await expectUnflagged(call);
  });

  test('may be in a body of 1 MiB and no more', async () => {
    const call = randomUUID();
    const largest = body(elsewhere).padEnd(mebibyte - 1, ' ');
    const sent = Buffer.from(largest).subarray(0, mebibyte);
    expect(sent.length).toBe(mebibyte);
    const asked = { headers: { 'content-type': 'application/json' }, body: sent };
    await counted('bypasses', () => ask(call, asked));
    expect(graph.received.at(-1)!.body.equals(sent)).toBe(true);
    const before = graph.received.length;
    const tooLarge = { ...asked, body: Buffer.concat([sent, Buffer.from(' ')]) };
    const answer = await ask(call, tooLarge);
    expect([answer.status, answer.headers['tallylight-reason']]).toEqual([413, 'BodyTooLarge']);
    expect(graph.received).toHaveLength(before);
  });
});

describe('the callbackUri of a new call', () => {
  const created = (id: string): void => {
    const location = `${graph.url}/v1.0/communications/calls/${id}`;
    graph.answer = (res) => res.writeHead(201, { location }).end(JSON.stringify({ id }));
  };

  test('elsewhere flags the call that Graph made', async () => {
    const call = randomUUID();
    created(call);
    expect((await counted('bypasses', () => post('', json(body(elsewhere))))).status).toBe(201);
    expect(graphGot()).toBe(body(elsewhere));
    await expectFlagged(call, { action: 'POST calls', outcome: 'bypasses', host: 'bot.example:9441' });
  });

  test('elsewhere is written anew where the policy says so', async () => {
    const call = randomUUID();
    created(call);
    await counted('rewritten', () => post('', json(body(elsewhere)), rewritingApp));
    expect(graphGot()).toBe(body(world.proxy.url + path));
    await expectUnflagged(call, rewritingApp);
  });

  test('that Graph refuses flags nothing', async () => {
    graph.answer = (res) => res.writeHead(403).end('{}');
    const [before, lines] = [await world.metric('tallylight_callback_uris_total'), world.logged.length];
    expect((await post('', json(body(elsewhere)))).status).toBe(403);
    expect(await world.metric('tallylight_callback_uris_total')).toBe(before);
    expect(world.logged.slice(lines).join('')).not.toContain('do not reach the proxy');
  });

  test('of a call that Graph does not name is told in the log and the numbers', async () => {
    graph.answer = (res) => res.writeHead(201).end('{}');
    const lines = world.logged.length;
    await counted('bypasses', () => post('', json(body(elsewhere))));
    expect(world.logged.slice(lines).join('')).toContain('do not reach the proxy');
  });
});

test('no other action’s body is judged', async () => {
  const before = await world.metric('tallylight_callback_uris_total');
  const sent = body(elsewhere);
  await post(`/${randomUUID()}/transfer`, json(sent), rewritingApp);
  expect(graphGot()).toBe(sent);
  expect(await world.metric('tallylight_callback_uris_total')).toBe(before);
});

test('a flag that the store refuses for good costs the bot nothing, and is told', async () => {
  const store = memoryStore({ livedMs: Infinity });
  const { calls } = store;
  const commit = calls.commit.bind(calls);
  Object.assign(calls, {
    commit: (given: Commit) =>
      given.record.event === 'callbackBypassed'
        ? Promise.reject(new Fault('Internal', 'the store holds a malformed call state'))
        : commit(given),
  });
  const place = await startNotifiedWorld({
    openStore: () => store,
    settings: () => ({ policyDir, graphUrl: graph.url }),
  });
  try {
    const answer = await send(place.proxy.url, {
      method: 'POST',
      path: `/v1.0/communications/calls/${randomUUID()}/answer`,
      token: await place.mint.mint(),
      ...json(body(elsewhere)),
    });
    expect(answer.status).toBe(202);
    const told = await eventually(
      () => place.logged.find((line) => line.includes('could not be recorded in the evidence')),
      { what: 'the flag that is missing was told', withinMs: 4000 },
    );
    expect(told).toContain('malformed');
  } finally {
    await place.close();
  }
});

describe('where the proxy takes no notifications', () => {
  test('nothing is judged', async () => {
    const place = await startNotifiedWorld({
      settings: () => ({ policyDir, graphUrl: graph.url, callbacks: [] }),
    });
    try {
      const answer = await send(place.proxy.url, {
        method: 'POST',
        path: `/v1.0/communications/calls/${randomUUID()}/answer`,
        token: await place.mint.mint({ azp: rewritingApp }),
        ...json(body(elsewhere)),
      });
      expect(answer.status).toBe(202);
      expect(graphGot()).toBe(body(elsewhere));
      expect(await place.metric('tallylight_callback_uris_total')).toBe(0);
    } finally {
      await place.close();
    }
  });
});
