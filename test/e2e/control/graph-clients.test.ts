import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, GraphError } from '@microsoft/microsoft-graph-client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Agent } from 'undici';
import { startWorld, type World } from '../../support/world.ts';

/**
 * Microsoft's client sends its token to https only, so the proxy has a certificate here, and a name in `customHosts`:
 * both are what a bot's owner sets besides the base URL.
 */
let directory: string;
let world: World;
let dispatcher: Agent;
let client: Client;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-tls-'));
  const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...[
      '-keyout',
      keyFile,
      '-out',
      certFile,
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
    ],
  ]);
  world = await startWorld({ settings: { tls: { certFile, keyFile } } });
  dispatcher = new Agent({ connect: { ca: await readFile(certFile, 'utf8') } });
  const token = await world.mint.mint();
  client = Client.init({
    baseUrl: `${world.proxy.url}/`,
    customHosts: new Set(['127.0.0.1']),
    authProvider: (done) => done(null, token),
    fetchOptions: { dispatcher } as object,
  });
});
afterAll(async () => {
  await dispatcher.close();
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
  await rm(directory, { recursive: true });
});

const statusesOf = (call: string): (string | null)[] =>
  world.graph.log.filter((entry) => entry.call === call && entry.asked !== null).map(({ asked }) => asked);
const gateOf = (response: Response): string | null => response.headers.get('tallylight-gate');

describe.each([
  ['v1.0', 'updateRecordingStatus'],
  ['v1.0', 'microsoft.graph.updateRecordingStatus'],
  ['beta', 'updateRecordingStatus'],
  ['beta', 'microsoft.graph.updateRecordingStatus'],
])('Microsoft’s JavaScript client on %s, with %s,', (version, action) => {
  const report = (call: string, status: string): Promise<unknown> =>
    client
      .api(`/communications/calls/${call}/${action}`)
      .version(version)
      .post({ clientContext: 'c', status });

  test('records: the operation comes back as Graph made it', async () => {
    const call = world.graph.incomingCall({ answered: true });
    expect(await report(call, 'recording')).toMatchObject({
      '@odata.type': '#microsoft.graph.updateRecordingStatusOperation',
      status: 'completed',
      clientContext: 'c',
    });
    expect(world.graph.recordingState(call)).toBe('recording');
    await report(call, 'notRecording');
    expect(world.graph.recordingState(call)).toBe('notRecording');
    expect(statusesOf(call)).toEqual(['recording', 'notRecording']);
    await client.api(`/communications/calls/${call}`).version(version).delete();
    expect(world.graph.recordingState(call)).toBeUndefined();
  });

  test('reads what the proxy meant for the gate from the raw response', async () => {
    const call = world.graph.incomingCall({ answered: true });
    const response = (await client
      .api(`/communications/calls/${call}/${action}`)
      .version(version)
      .responseType('raw' as never)
      .post({ status: 'recording' })) as Response;
    expect(gateOf(response)).toBe('open');
    await response.text();
  });

  test('reads a refusal of the proxy as an error of Graph', async () => {
    const call = world.graph.incomingCall({ answered: true });
    const error = await report(call, 'unknownFutureValue').then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(GraphError);
    const { statusCode, code, message, requestId, headers } = error as GraphError;
    expect({ statusCode, code }).toEqual({ statusCode: 400, code: 'StatusInvalid' });
    expect(message).toContain('notRecording');
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers?.get('tallylight-reason')).toBe('StatusInvalid');
    expect(statusesOf(call)).toEqual([]);
  });

  test('reads an error of Graph itself unchanged', async () => {
    const call = world.graph.incomingCall({ answered: true, policyBased: false });
    await expect(report(call, 'recording')).rejects.toMatchObject({ statusCode: 403, code: '8506' });
  });
});

test('Microsoft’s JavaScript client keeps a call alive, reads it and lists who is in it', async () => {
  const call = world.graph.incomingCall({ answered: true });
  const path = `/communications/calls/${call}`;
  await client.api(`${path}/keepAlive`).post({});
  expect(await client.api(path).get()).toMatchObject({ id: call });
  expect(await client.api(`${path}/participants`).get()).toMatchObject({ value: [{ isInLobby: false }] });
});

test('Microsoft’s JavaScript client repeats a start that Graph throttled, and each try is judged', async () => {
  const call = world.graph.incomingCall({ answered: true });
  world.graph.script({
    action: 'updateRecordingStatus',
    call,
    answer: { error: { status: 429, code: 'TooManyRequests', headers: { 'retry-after': '0' } } },
  });
  await client.api(`/communications/calls/${call}/updateRecordingStatus`).post({ status: 'recording' });
  expect(statusesOf(call)).toEqual(['recording', 'recording']);
  expect(world.graph.recordingState(call)).toBe('recording');
});
