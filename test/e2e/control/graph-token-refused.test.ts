import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { listen, type Listening } from '../../../src/sandbox/loopback.ts';
import { sandboxApp } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { json, openRaw, send, type Answer } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

interface Asked {
  readonly what: string;
  readonly token: string;
  readonly body: string;
}

const completed = '{"id":"op","status":"completed"}';
const refusal = '{"error":{"code":"InvalidAuthenticationToken","message":"said by Graph"}}';

/** What Graph was asked, in order. */
let asked: Asked[];
/** Whether Graph takes a token, on a path. */
let takes: (token: string, path: string) => boolean;
let answerWith: string;
let tokens: number;
let mintIsDown: boolean;
let peers: Listening[];
let world: World;
let token: string;
let call: string;

async function graph(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await text(req);
  const given = (req.headers.authorization ?? '').replace('Bearer ', '');
  const path = req.url ?? '';
  const taken = takes(given, path);
  asked.push({ what: `${req.method} ${path.split('/').at(-1)}`, token: given, body });
  res.writeHead(taken ? 200 : 401, {
    'content-type': 'application/json',
    ...(taken ? {} : { 'www-authenticate': 'Bearer claims="e30="', 'x-of': 'graph' }),
  });
  res.end(taken ? answerWith : refusal);
}

function mint(req: IncomingMessage, res: ServerResponse): void {
  req.resume();
  if (mintIsDown) res.writeHead(500).end();
  else {
    tokens += 1;
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ token_type: 'Bearer', expires_in: 3600, access_token: `t${tokens}` }));
  }
}

beforeEach(async () => {
  asked = [];
  takes = () => true;
  answerWith = completed;
  tokens = 0;
  mintIsDown = false;
  const [graphAt, mintAt] = await Promise.all([
    listen(
      createServer((req, res) => void graph(req, res)),
      {},
    ),
    listen(createServer(mint), {}),
  ]);
  peers = [graphAt, mintAt];
  world = await startWorld({
    settings: {
      graphUrl: graphAt.url,
      graphCredentials: [{ tokenEndpoint: mintAt.url, clientId: sandboxApp, clientSecret: 's' }],
      graphTimeoutMs: 5000,
      sessionTtlMs: 20_000,
    },
  });
  token = await world.mint.mint();
  call = world.graph.incomingCall({ answered: true });
});
afterEach(async () => {
  await world.close();
  await Promise.all(peers.map((peer) => peer.close()));
});

const ask = (method: string, path: string, more: Partial<Parameters<typeof send>[1]> = {}): Promise<Answer> =>
  send(world.proxy.url, { method, path: `/v1.0/communications/calls/${call}${path}`, token, ...more });
const report = (status: string): Promise<Answer> => ask('POST', '/updateRecordingStatus', json({ status }));
const upload = (): Promise<Answer> =>
  send(world.proxy.url, {
    method: 'PUT',
    path: `/media/${call}/x`,
    token,
    headers: { 'content-length': 5 },
    body: 'hello',
  });
const counted = async (outcome: string): Promise<number> => {
  const { body } = await send(world.proxy.adminUrl, { path: '/metrics' });
  const line = new RegExp(`^tallylight_graph_tokens_refused_total\\{outcome="${outcome}"\\} (\\d+)$`, 'm');
  return Number(line.exec(body)?.[1] ?? 0);
};
/** Every token until now is revoked. */
const revoke = (): void => {
  const last = tokens;
  takes = (given) => Number(given.slice(1)) > last;
};

describe('where Graph has revoked the token of the proxy, the bot sees no 401', () => {
  test('of a start, which opens the gate', async () => {
    expect((await ask('POST', '/keepAlive')).status).toBe(200);
    revoke();
    const started = await report('recording');
    expect([started.status, started.headers['tallylight-gate']]).toEqual([200, 'open']);
    expect((await upload()).status).toBe(201);
    expect(asked.slice(1).map(({ what, token: by, body }) => [what, by, body])).toEqual([
      ['POST updateRecordingStatus', 't1', '{"status":"recording"}'],
      ['POST updateRecordingStatus', 't2', '{"status":"recording"}'],
    ]);
    expect([await counted('repeated'), await counted('passed')]).toEqual([1, 0]);
  });

  test.each<[string, () => Promise<Answer>]>([
    ['notRecording', () => report('notRecording')],
    ['failed', () => report('failed')],
    ['a hang-up', () => ask('DELETE', '')],
  ])('of %s, which closes the gate', async (_what, stop) => {
    expect((await report('recording')).status).toBe(200);
    revoke();
    expect((await stop()).status).toBe(200);
    expect((await upload()).status).toBe(403);
    expect(asked.map(({ token: by }) => by)).toEqual(['t1', 't1', 't2']);
    expect(await counted('repeated')).toBe(1);
  });

  test.each<[string, string, Partial<Parameters<typeof send>[1]>]>([
    ['POST', '/keepAlive', {}],
    ['POST', '/keepAlive', { headers: { 'content-length': 0 } }],
    ['GET', '', {}],
    ['GET', '/participants', {}],
    ['GET', '/operations/op', {}],
  ])('of %s %s, which has no body', async (method, path, more) => {
    await ask('POST', '/keepAlive');
    revoke();
    const answer = await ask(method, path, more);
    expect([answer.status, answer.body]).toEqual([200, completed]);
    expect(asked.slice(1).map(({ token: by }) => by)).toEqual(['t1', 't2']);
  });

  test('of the operation that a pending start is read by', async () => {
    answerWith = '{"id":"op","status":"running"}';
    await ask('POST', '/keepAlive');
    const started = report('recording');
    await eventually(() => asked.some(({ what }) => what === 'GET op'));
    answerWith = completed;
    revoke();
    expect((await started).headers['tallylight-gate']).toBe('open');
    expect(asked.at(-1)).toMatchObject({ what: 'GET op', token: 't2' });
  });

  test('of many at once, for which one token is fetched', async () => {
    await ask('POST', '/keepAlive');
    revoke();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('POST', '/keepAlive')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(tokens).toBe(2);
  });
});

describe('Graph’s own 401 reaches the bot as it is', () => {
  const isOfGraph = ({ status, headers, body }: Answer): void => {
    expect([status, headers['x-of'], headers['www-authenticate'], body]).toEqual([
      401,
      'graph',
      'Bearer claims="e30="',
      refusal,
    ]);
  };

  test('when it refuses the new token as well, which is asked for once', async () => {
    takes = (_given, path) => !path.includes('keepAlive') && !path.includes('Status');
    const began = performance.now();
    for (let turn = 0; turn < 10; turn++) {
      isOfGraph(await ask('POST', '/keepAlive'));
      isOfGraph(await report('recording'));
    }
    // One for the first, one in its place, and one more for each time that the cooldown was over.
    const most = 2 + Math.floor((performance.now() - began) / 5000);
    expect(tokens).toBeGreaterThan(1);
    expect(tokens).toBeLessThanOrEqual(most);
    expect(asked.length).toBeLessThanOrEqual(20 + most - 1);
    expect((await ask('GET', '/participants')).status).toBe(200);
  });

  test('when there is no other token to be had', async () => {
    await ask('POST', '/keepAlive');
    revoke();
    mintIsDown = true;
    isOfGraph(await report('recording'));
    isOfGraph(await ask('POST', '/keepAlive'));
    expect(await counted('repeated')).toBe(0);
    mintIsDown = false;
    await eventually(async () => (await ask('POST', '/keepAlive')).status === 200);
  });

  test('when the body of the request was streamed, and the next request has the new token', async () => {
    await ask('POST', '/keepAlive');
    revoke();
    isOfGraph(await ask('POST', '/mute', json({ clientContext: 'a' })));
    expect((await ask('POST', '/mute', json({ clientContext: 'b' }))).status).toBe(200);
    expect(asked.map(({ token: by, body }) => [by, body])).toEqual([
      ['t1', ''],
      ['t1', '{"clientContext":"a"}'],
      ['t2', '{"clientContext":"b"}'],
    ]);
  });
});

test('a client that goes away while its request is repeated leaves nothing behind', async () => {
  await ask('POST', '/keepAlive');
  revoke();
  const connection = openRaw(world.proxy.url);
  connection.write(
    `POST /v1.0/communications/calls/${call}/keepAlive HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  );
  await eventually(() => asked.length >= 2);
  connection.destroy();
  await connection.closed;
  expect((await ask('POST', '/keepAlive')).status).toBe(200);
});
