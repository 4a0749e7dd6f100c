import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'node:https';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { startPeers } from '../../../src/sandbox/peers.ts';
import { acceptWebSocket, payloadOf } from '../../../src/sandbox/websocket-handler.ts';
import { openStream } from '../../../src/sandbox/bot/websocket-client.ts';
import { closeFrame } from '../../../src/core/http/websocket.ts';
import { eventually } from '../../support/eventually.ts';
import { settingsFor, startProxyProcess } from '../../support/process.ts';
import { closing, startStreamHandler } from '../../support/stream-handler.ts';
import { startWorld } from '../../support/world.ts';

describe('an instance that leaves', () => {
  test('ends WebSockets between two frames with 1001, and answers those that have not begun', async () => {
    const handler = await startStreamHandler();
    const route = { path: '/live/{callId}', upstream: handler.url, methods: [], reads: 'refuse' as const };
    const world = await startWorld({ settings: { mediaRoutes: [{ ...route, websocket: true }] } });
    const token = await world.mint.mint();
    const bot = await world.bot();
    await bot.report('recording');
    const stream = openStream(`${world.proxy.url}/live/${bot.call}`, { token });
    await stream.opened;
    const [held] = handler.streams;
    stream.send('one');
    await eventually(() => held!.frames.length === 1);
    handler.onUpgrade = () => undefined;
    const late = openStream(`${world.proxy.url}/live/${bot.call}`, { token });
    await eventually(() => handler.streams.length === 2);
    expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
    expect(await stream.over).toEqual({ code: 1001, reason: 'ShuttingDown' });
    expect(held!.frames.slice(1)).toEqual([closing(1001, 'ShuttingDown')]);
    const refused = await late.opened.catch((error: unknown) => (error as Error).cause);
    expect(refused).toMatchObject({ status: 503, headers: { 'tallylight-reason': 'ShuttingDown' } });
    await world.close();
    await handler.close();
  });
});

describe('over TLS on both sides', () => {
  test('a WebSocket is passed, and ended by a stop', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tallylight-wss-'));
    const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
    const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    await promisify(execFile)('openssl', [...args, ...names, '-keyout', keyFile, '-out', certFile]);
    const [key, cert] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certFile, 'utf8')]);
    const stored: Buffer[] = [];
    const server = createTlsServer({ key, cert });
    server.on('upgrade', (req, socket: Socket, head: Buffer) => {
      acceptWebSocket(req, socket);
      void (async () => {
        for await (const part of payloadOf(socket, head)) stored.push(part);
        socket.end(closeFrame(1000, ''));
      })();
    });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    const upstream = `https://localhost:${(server.address() as AddressInfo).port}`;
    const peers = await startPeers('127.0.0.1', 0, directory);
    const proxy = await startProxyProcess({
      ...settingsFor(peers, directory),
      TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([{ path: '/live/{callId}', upstream, websocket: true }]),
      TALLYLIGHT_TLS_CERT_FILE: certFile,
      TALLYLIGHT_TLS_KEY_FILE: keyFile,
      NODE_EXTRA_CA_CERTS: certFile,
    });
    const url = proxy.url.replace('http:', 'https:');
    const token = await peers.mint.mint();
    const call = peers.graph.incomingCall({ answered: true });
    const report = (status: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const path = `/v1.0/communications/calls/${call}/updateRecordingStatus`;
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
        const req = request(url + path, { method: 'POST', agent: false, ca: cert, headers });
        req.on('error', reject);
        req.on('response', (res) => resolve(res.resume().statusCode ?? 0));
        req.end(JSON.stringify({ status }));
      });
    await eventually(async () => (await report('recording')) === 200);
    const stream = openStream(`${url}/live/${call}`, { token, tls: { ca: cert } });
    await stream.opened;
    for (let frame = 0; frame < 100; frame++) stream.send(Buffer.alloc(640, frame));
    await eventually(() => Buffer.concat(stored).length === 64_000);
    expect(await report('notRecording')).toBe(200);
    expect(await stream.over).toEqual({ code: 1008, reason: 'RecordingStopped' });
    proxy.kill('SIGTERM');
    await proxy.exited;
    server.closeAllConnections();
    server.close();
    await peers.close();
    await rm(directory, { recursive: true });
  });
});
