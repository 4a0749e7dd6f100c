import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { listen, type Listening } from '../../../src/sandbox/loopback.ts';
import { json, send, type Answer } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

type Written = readonly [status: number, headers: Record<string, string>, body: Buffer | string];

/** How Graph answers from now on. */
let written: Written = [200, {}, ''];
let graph: Listening;
let world: World;
let token: string;
beforeAll(async () => {
  const answer = (req: IncomingMessage, res: ServerResponse): void => {
    req.resume();
    req.on('end', () => res.writeHead(written[0], written[1]).end(written[2]));
  };
  graph = await listen(createServer(answer), {});
  world = await startWorld({ settings: { graphUrl: graph.url, graphTimeoutMs: 5000, sessionTtlMs: 20_000 } });
  token = await world.mint.mint();
});
afterAll(async () => {
  await world.close();
  await graph.close();
});

const ask = (
  method: string,
  call: string,
  path: string,
  more: Partial<Parameters<typeof send>[1]> = {},
): Promise<Answer> =>
  send(world.proxy.url, { method, path: `/v1.0/communications/calls/${call}${path}`, token, ...more });
const report = (call: string, status: string): Promise<Answer> =>
  ask('POST', call, '/updateRecordingStatus', json({ status }));
const readOperation = (call: string): Promise<Answer> => ask('GET', call, '/operations/op');
const upload = (call: string): Promise<Answer> =>
  send(world.proxy.url, {
    method: 'PUT',
    path: `/media/${call}/x`,
    token,
    headers: { 'content-length': 1 },
    body: 'x',
  });

const mark = '\ufeff';
const type = { 'content-type': 'application/json' };
const spellings: readonly (readonly [string, (text: string) => Omit<Written, 0> & Written])[] = [
  ['with a byte order mark', (text) => [200, type, mark + text]],
  ['with NULs behind it', (text) => [200, type, `${text}\r\n\0`]],
  ['as plain text', (text) => [200, { 'content-type': 'text/plain; charset="UTF8"' }, text]],
  ['without a type', (text) => [200, {}, text]],
  ['by gzip', (text) => [200, { ...type, 'content-encoding': 'gzip' }, gzipSync(text)]],
  [
    'by Brotli, with a mark',
    (text) => [200, { ...type, 'content-encoding': 'br' }, brotliCompressSync(mark + text)],
  ],
];

describe.each(spellings)('what Graph answers %s', (_, spell) => {
  const written200 = (text: string, status = 200): void => {
    const [, headers, body] = spell(text);
    written = [status, headers, body];
  };

  test('opens the gate, and reaches the bot byte by byte', async () => {
    const call = randomUUID();
    written200('{"id":"op","status":"completed"}');
    const answer = await report(call, 'recording');
    expect([answer.status, answer.headers['tallylight-gate']]).toEqual([200, 'open']);
    expect((await upload(call)).status).toBe(201);
    expect(answer.headers['content-encoding']).toBe(written[1]['content-encoding']);
    written200('{"id":"op","status":"completed"}');
    expect((await report(call, 'notRecording')).status).toBe(200);
    expect((await upload(call)).status).toBe(403);
  });

  test('says that a call can never be recorded', async () => {
    written200('{"error":{"code":"8506","message":"x"}}', 403);
    const answer = await report(randomUUID(), 'recording');
    expect([answer.status, answer.headers['tallylight-reason']]).toEqual([403, 'NotPolicyCall']);
  });

  test('opens nothing if it does not say completed', async () => {
    const call = randomUUID();
    written200('{"status":"failed","status":"completed"}');
    expect((await report(call, 'recording')).headers['tallylight-gate']).toBe('closed');
    expect((await upload(call)).status).toBe(403);
  });

  test('is searched for a recording while the gate is closed', async () => {
    const call = randomUUID();
    const harmless = '{"id":"op","status":"completed"}';
    written200(harmless);
    const read = await readOperation(call);
    expect(read.status).toBe(200);
    expect(read.headers['tallylight-withheld']).toBeUndefined();
    written200('{"id":"op","status":"completed","recordingLocation":"https://recordings.example/1"}');
    const withheld = await readOperation(call);
    expect(withheld.status).toBe(200);
    expect(withheld.headers['tallylight-withheld']).toBeDefined();
    expect(withheld.headers['content-encoding']).toBeUndefined();
    expect(JSON.parse(withheld.body)).toEqual({ id: 'op', status: 'completed' });
  });
});

describe('an error of Graph, or of what stands before it, reaches a bot that reads an operation', () => {
  const page = `<html>${'x'.repeat(200_000)}</html>`;
  test.each<[string, Written]>([
    ['as text', [429, { 'content-type': 'text/plain', 'retry-after': '7' }, 'slow down']],
    ['as a page', [504, { 'content-type': 'text/html', 'x-gateway': 'a' }, '<html>Gateway Timeout</html>']],
    ['as a large page', [502, { 'content-type': 'text/html' }, page]],
    ['as JSON', [403, type, '{"error":{"code":"7503","message":"no"}}']],
    ['as JSON that is broken', [400, type, '{"error":']],
    ['with nothing', [503, { 'retry-after': '9' }, '']],
    ['in UTF-16', [500, { 'content-type': 'application/json; charset=utf-16' }, 'x']],
  ])('%s', async (_, answer) => {
    written = answer;
    const [status, headers, body] = answer;
    const read = await readOperation(randomUUID());
    expect([read.status, read.body]).toEqual([status, body]);
    expect(read.headers).toMatchObject(headers);
    expect(read.headers['tallylight-reason']).toBeUndefined();
  });

  test('compressed, as it is', async () => {
    written = [500, { ...type, 'content-encoding': 'gzip' }, gzipSync('{"error":{"code":"x"}}')];
    const answer = await fetch(`${world.proxy.url}/v1.0/communications/calls/${randomUUID()}/operations/op`, {
      headers: { authorization: `Bearer ${token}` },
    });
    // `fetch` undoes the compression by what the head says of it.
    expect([answer.status, await answer.text()]).toEqual([500, '{"error":{"code":"x"}}']);
  });
});

test.each<[string, Written]>([
  ['half a gzip', [200, { ...type, 'content-encoding': 'gzip' }, Buffer.from('1f8b0800', 'hex')]],
  ['a page', [200, { 'content-type': 'text/html' }, '<html>recordingLocation</html>']],
  ['UTF-16', [200, type, Buffer.from('{"recordingLocation":"x"}', 'utf16le')]],
  ['a key twice', [200, type, '{"a":{"recordingLocation":"x"},"a":1}']],
])('success that cannot be read is not passed on, and says why: %s', async (_, answer) => {
  written = answer;
  const read = await readOperation(randomUUID());
  expect([read.status, read.headers['tallylight-reason']]).toEqual([502, 'GraphAnswerUnreadable']);
});

test('a success that is too large to judge still says so', async () => {
  written = [200, type, `{"a":"${'x'.repeat(70_000)}"}`];
  expect((await readOperation(randomUUID())).headers['tallylight-reason']).toBe('GraphAnswerTooLarge');
});
