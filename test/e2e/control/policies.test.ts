import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { EvidenceRecord } from '../../../src/core/call/evidence.ts';
import { parseCallKey } from '../../../src/core/call/key.ts';
import { startFakeGraph, type FakeGraph } from '../../../src/sandbox/graph/fake-graph.ts';
import { sandboxApp } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { recordsIn } from '../../support/notified-bot.ts';
import { json, send, type Answer } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

/** Applications with a policy of their own; the sandbox's has the strictest one. */
const lenientApp = '33333333-3333-4333-8333-333333333333';
const forwardingApp = '44444444-4444-4444-8444-444444444444';

let world: World;
let policyDir: string;
beforeAll(async () => {
  policyDir = await mkdtemp(join(tmpdir(), 'tallylight-policies-'));
  const policies = [
    {
      name: 'lenient',
      match: { apps: [lenientApp] },
      recordResponse: 'whileRecording',
      operationPatch: 'forward',
      updateMetadata: 'whileRecording',
      appAlias: 'forward',
    },
    { name: 'forwarding', match: { apps: [forwardingApp] }, updateMetadata: 'forward' },
  ];
  for (const policy of policies)
    await writeFile(join(policyDir, `${policy.name}.json`), JSON.stringify(policy));
  world = await startWorld({ settings: { policyDir } });
});
afterAll(async () => {
  await world.close();
  await rm(policyDir, { recursive: true });
});

/** What a bot can do with one call. */
interface Caller {
  readonly call: string;
  ask(method: string, path: string, body?: unknown): Promise<Answer>;
  report(status: string): Promise<Answer>;
}

async function caller(app: string, { proxy, mint } = world, graph: FakeGraph = world.graph): Promise<Caller> {
  const call = graph.incomingCall({ answered: true });
  const token = await mint.mint({ azp: app });
  const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
    send(proxy.url, {
      method,
      path: `/beta/communications/calls/${call}${path}`,
      token,
      ...(body === undefined ? {} : json(body)),
    });
  return { call, ask, report: (status) => ask('POST', '/updateRecordingStatus', { status }) };
}

const recordingCaller = async (app: string): Promise<Caller> => {
  const it = await caller(app);
  expect((await it.report('recording')).headers['tallylight-gate']).toBe('open');
  return it;
};

const actionsOf = (call: string): (string | null)[] =>
  world.graph.log.filter((entry) => entry.call === call).map(({ action, asked }) => asked ?? action);

const evidenceOf = async (call: string, event: string): Promise<EvidenceRecord[]> =>
  (await recordsIn(world.directory)).filter(
    (record) => record.call === parseCallKey(call) && record.event === event,
  );

const prompts = { bargeInAllowed: true, maxRecordDurationInSeconds: 10, prompts: [] };

describe.each(['recordResponse', 'record'])('%s', (action) => {
  test('is refused by default, and the answer names the policy', async () => {
    const it = await recordingCaller(sandboxApp);
    const reply = await it.ask('POST', `/${action}`, prompts);
    expect(reply.status).toBe(403);
    expect(reply.headers['tallylight-reason']).toBe('PolicyRefused');
    expect(reply.body).toContain(`${action} is refused by the policy \\"default\\"`);
    expect(actionsOf(it.call)).toEqual(['recording']);
  });

  test('passes with a policy only while the gate is open, and is noted', async () => {
    const it = await caller(lenientApp);
    const early = await it.ask('POST', `/${action}`, prompts);
    expect(early.status).toBe(403);
    expect(early.headers['tallylight-reason']).toBe('RecordingNotActive');
    await it.report('recording');
    expect((await it.ask('POST', `/${action}`, prompts)).status).toBe(200);
    await it.report('notRecording');
    expect((await it.ask('POST', `/${action}`, prompts)).headers['tallylight-reason']).toBe(
      'RecordingNotActive',
    );
    expect(actionsOf(it.call)).toEqual(['recording', action, 'notRecording']);
    const noted = await eventually(async () => (await evidenceOf(it.call, 'mediaRequested'))[0]);
    expect(noted.detail).toMatchObject({ action });
  });

  test('is waited for at a stop, within the drain limit', async () => {
    const it = await recordingCaller(lenientApp);
    const held = world.graph.script({ action, call: it.call, hold: true });
    const asked = it.ask('POST', `/${action}`, prompts);
    await eventually(() => held.used > 0);
    const stopping = it.report('notRecording');
    await eventually(async () => (await it.ask('POST', `/${action}`, prompts)).status === 403);
    held.release();
    expect((await asked).status).toBe(200);
    expect((await stopping).status).toBe(200);
    const [sent, stop] = ['recordResponse', 'notRecording'].map((name, index) =>
      world.graph.log.find(
        (entry) => entry.call === it.call && (index === 0 ? entry.action === action : entry.asked === name),
      ),
    );
    expect(sent?.answeredAt).toBeLessThan(stop?.receivedAt ?? 0);
  });

  test('is cut at a stop when the drain limit is over', async () => {
    const it = await recordingCaller(lenientApp);
    world.graph.script({ action, call: it.call, answer: 'none' });
    const asked = it.ask('POST', `/${action}`, prompts);
    await eventually(() => actionsOf(it.call).includes(action));
    expect((await it.report('notRecording')).status).toBe(200);
    expect((await asked).headers['tallylight-reason']).toBe('RecordingStopped');
  });
});

describe('a recording that Graph made', () => {
  async function withRecording(): Promise<Caller & { readonly operation: string }> {
    const it = await recordingCaller(lenientApp);
    const made = await it.ask('POST', '/recordResponse', prompts);
    return { ...it, operation: (JSON.parse(made.body) as { id: string }).id };
  }

  test.each<[string, (operation: string) => string]>([
    ['its operation', (operation) => `/operations/${operation}`],
    ['the list of operations', () => '/operations'],
    ['the call with its operations', () => '?$expand=operations'],
    ['the call with its operations, encoded', () => '?%24ExPand=Operations($select=id)'],
    ['the call with everything', () => '?expand=*'],
  ])('can be found in %s only while recording', async (_, pathOf) => {
    const it = await withRecording();
    // The fake Graph does not expand: it is told what to answer.
    if (pathOf('').includes('?'))
      world.graph.script({
        action: 'getCall',
        call: it.call,
        times: 2,
        answer: {
          raw: {
            status: 200,
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({
              id: it.call,
              operations: [
                { recordingLocation: 'https://recordings.example/1', recordingAccessToken: 'recording-1' },
              ],
            }),
          },
        },
      });
    const open = await it.ask('GET', pathOf(it.operation));
    expect(open.status).toBe(200);
    expect(open.body).toContain('recordingLocation');
    expect(open.body).toContain('recording-');
    expect(open.headers['tallylight-withheld']).toBeUndefined();
    await it.report('notRecording');
    const closed = await it.ask('GET', pathOf(it.operation));
    expect(closed.status).toBe(200);
    expect(closed.body).not.toMatch(/recordingLocation|recordingAccessToken|recordings\.example|recording-/);
    expect(closed.headers['tallylight-withheld']).toBe('recordingLocation, recordingAccessToken');
    expect(closed.headers['content-length']).toBe(String(Buffer.byteLength(closed.body)));
    expect((JSON.parse(closed.body) as { id?: string }).id ?? 'a list').toBeTruthy();
  });

  test('leaves an operation without one untouched while the gate is closed', async () => {
    const it = await caller(sandboxApp);
    const made = JSON.parse((await it.report('notRecording')).body) as { id: string };
    const body = `{ "id": "${made.id}", "status" : "completed" }\n`;
    world.graph.script({
      action: 'getOperation',
      call: it.call,
      answer: { raw: { status: 200, headers: { 'content-type': 'application/json' }, body } },
    });
    const read = await it.ask('GET', `/operations/${made.id}`);
    expect(read.body).toBe(body);
    expect(read.headers['tallylight-withheld']).toBeUndefined();
  });

  test('is not given away by an answer that cannot be searched', async () => {
    const it = await caller(sandboxApp);
    world.graph.script({
      action: 'listOperations',
      call: it.call,
      answer: {
        raw: { status: 200, headers: {}, body: '{"recordingLocation":"https://recordings.example/1"' },
      },
    });
    const read = await it.ask('GET', '/operations');
    expect(read.status).toBe(502);
    expect(read.body).not.toContain('recordings.example');
  });
});

describe('updateMetadata', () => {
  const secret = 'case 4711, spoken of in minute three';
  const digest = createHash('sha256').update(secret).digest('hex');

  test('is refused by default, and the answer names the policy', async () => {
    const it = await recordingCaller(sandboxApp);
    const reply = await it.ask('POST', '/updateMetadata', { metadata: secret });
    expect(reply.headers['tallylight-reason']).toBe('PolicyRefused');
    expect(reply.body).toContain('default');
    expect(actionsOf(it.call)).toEqual(['recording']);
  });

  test('passes while recording where the policy says so, with a digest in the evidence', async () => {
    const it = await caller(lenientApp);
    const early = await it.ask('POST', '/updateMetadata', { metadata: secret });
    expect(early.headers['tallylight-reason']).toBe('RecordingNotActive');
    await it.report('recording');
    expect((await it.ask('POST', '/updateMetadata', { metadata: secret, clientContext: 'c' })).status).toBe(
      200,
    );
    const noted = await eventually(async () => (await evidenceOf(it.call, 'metadataUpdated'))[0]);
    expect(noted.detail).toMatchObject({ sha256: digest, bytes: secret.length });
    expect(JSON.stringify(noted)).not.toContain('spoken of');
  });

  test('passes at any time where the policy forwards it', async () => {
    const it = await caller(forwardingApp);
    expect((await it.ask('POST', '/updateMetadata', { metadata: secret })).status).toBe(200);
    await eventually(async () => (await evidenceOf(it.call, 'metadataUpdated'))[0]);
  });

  test.each([
    ['a blob that is no string', { metadata: { note: 'x' } }],
    ['an unknown key', { metadata: 'x', status: 'recording' }],
    ['a long clientContext', { metadata: 'x', clientContext: 'c'.repeat(257) }],
  ])('with %s is refused', async (_, body) => {
    const it = await caller(forwardingApp);
    const reply = await it.ask('POST', '/updateMetadata', body);
    expect(reply.headers['tallylight-reason']).toBe('BodyInvalid');
    expect(actionsOf(it.call)).toEqual([]);
  });

  test('may be answered with 202 as well', async () => {
    const place = await startWorld();
    const graph = await startFakeGraph({ verify: place.mint.verifyGraphToken, metadataAnswer: 202 });
    const other = await startWorld({
      settings: {
        graphUrl: graph.url,
        policyDir,
        issuers: [{ issuer: place.mint.issuer, audience: place.mint.audience, jwksUri: place.mint.jwksUri }],
        graphCredentials: [
          { tokenEndpoint: place.mint.tokenEndpoint, clientId: sandboxApp, clientSecret: 'sandbox-secret' },
        ],
      },
    });
    try {
      const it = await caller(forwardingApp, { ...other, mint: place.mint }, graph);
      const reply = await it.ask('POST', '/updateMetadata', { metadata: secret });
      expect(reply.status).toBe(202);
      expect(reply.body).toBe('');
    } finally {
      await other.close();
      await graph.close();
      await place.close();
    }
  });
});

describe('a PATCH of an operation', () => {
  const patch = { status: 'completed', clientContext: 'mine' };

  test('is refused by default, and the answer names the policy', async () => {
    const it = await caller(sandboxApp);
    const reply = await it.ask('PATCH', `/operations/${randomUUID()}`, patch);
    expect(reply.headers['tallylight-reason']).toBe('PolicyRefused');
    expect(actionsOf(it.call)).toEqual([]);
  });

  test('is forwarded with a policy, noted, and opens nothing even if Graph says completed', async () => {
    const it = await caller(lenientApp);
    world.graph.script({
      action: 'updateRecordingStatus',
      call: it.call,
      answer: { operation: { status: 'failed' } },
    });
    const { id } = JSON.parse((await it.report('recording')).body) as { id: string };
    world.graph.script({
      action: 'patchOperation',
      call: it.call,
      answer: { raw: { status: 200, headers: {}, body: JSON.stringify({ id, status: 'completed' }) } },
    });
    const reply = await it.ask('PATCH', `/operations/${id}`, patch);
    expect(reply.status).toBe(200);
    expect(reply.headers['tallylight-gate']).toBeUndefined();
    expect(JSON.parse(reply.body)).toEqual({ id, status: 'completed' });
    const token = await world.mint.mint({ azp: lenientApp });
    const upload = await send(world.proxy.url, {
      method: 'POST',
      path: `/media/${it.call}/x`,
      token,
      body: 'x',
    });
    expect(upload.headers['tallylight-reason']).toBe('RecordingNotActive');
    const noted = await eventually(async () => (await evidenceOf(it.call, 'operationPatched'))[0]);
    expect(noted.detail).toMatchObject({ operation: id, status: 'completed' });
  });

  test.each([
    ['an unknown key', { status: 'completed', type: 'x' }],
    ['a status that no operation has', { status: 'recording' }],
  ])('with %s is refused', async (_, body) => {
    const it = await caller(lenientApp);
    const reply = await it.ask('PATCH', `/operations/${randomUUID()}`, body);
    expect(reply.headers['tallylight-reason']).toBe('BodyInvalid');
    expect(actionsOf(it.call)).toEqual([]);
  });
});

describe('the deprecated /app root', () => {
  const report = async (app: string, call: string): Promise<Answer> =>
    send(world.proxy.url, {
      method: 'POST',
      path: `/v1.0/app/calls/${call}/updateRecordingStatus`,
      token: await world.mint.mint({ azp: app }),
      ...json({ status: 'recording' }),
    });

  test('is refused by default', async () => {
    const call = world.graph.incomingCall({ answered: true });
    expect((await report(sandboxApp, call)).headers['tallylight-reason']).toBe('PolicyRefused');
    expect(actionsOf(call)).toEqual([]);
  });

  test('leads to the same gate with a policy that forwards it', async () => {
    const call = world.graph.incomingCall({ answered: true });
    expect((await report(lenientApp, call)).headers['tallylight-gate']).toBe('open');
    expect(world.graph.log.find((entry) => entry.call === call)?.path).toMatch(/^\/v1\.0\/app\/calls\//);
  });
});
