import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import type { Commit } from '../../../src/core/ports/call-store.ts';
import type { Store } from '../../../src/core/ports/store.ts';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { startPeers } from '../../../src/sandbox/peers.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { eventually } from '../../support/eventually.ts';
import { settingsFor, startProxyProcess } from '../../support/process.ts';
import { json, send } from '../../support/raw-http.ts';
import { startWorld } from '../../support/world.ts';

const portOf = (server: { address(): AddressInfo | string | null }): number =>
  (server.address() as AddressInfo).port;

describe('a write that is cut', () => {
  // What waits in the buffers of the proxy at the cut must not reach the handler afterwards.
  test.each(['http', 'https'] as const)(
    'over %s sends nothing of what was still on its way',
    async (scheme) => {
      const directory = await mkdtemp(join(tmpdir(), 'tallylight-cut-'));
      const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
      const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
      await promisify(execFile)('openssl', [
        ...args,
        '-addext',
        'subjectAltName=DNS:localhost',
        '-keyout',
        key,
        '-out',
        cert,
      ]);
      let received: IncomingMessage | undefined;
      const stall = (req: IncomingMessage): void => {
        received = req;
        req.on('error', () => undefined);
      };
      const files = { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
      const handler: Server = scheme === 'http' ? createServer(stall) : createTlsServer(files, stall);
      handler.listen(0, 'localhost');
      await once(handler, 'listening');
      const peers = await startPeers('127.0.0.1', 0, directory);
      const proxy = await startProxyProcess({
        ...settingsFor(peers, directory),
        TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([
          { path: '/media/{callId}/*', upstream: `${scheme}://localhost:${portOf(handler)}` },
        ]),
        NODE_EXTRA_CA_CERTS: cert,
      });
      const bot = new Bot(proxy.url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true }));
      await eventually(async () => (await bot.report('recording')).status === 200);
      const upload = bot.slowUpload('large');
      for (let piece = 0; piece < 256; piece++) upload.send(64 * 1024);
      await eventually(() => received);
      // The stop waits for the drain limit, so that all buffers on the way are full when the write is cut.
      expect((await bot.report('notRecording')).status).toBe(200);
      let after = 0;
      received?.on('data', (chunk: Buffer) => (after += chunk.length));
      await eventually(() => received?.destroyed);
      expect(after).toBeLessThan(1_000_000);
      await upload.over;
      proxy.kill('SIGTERM');
      await proxy.exited;
      handler.closeAllConnections();
      handler.close();
      await peers.close();
      await rm(directory, { recursive: true });
    },
  );

  test('as an update of metadata is not sent after the stop', async () => {
    const app = '33333333-3333-4333-8333-333333333333';
    const policyDir = await mkdtemp(join(tmpdir(), 'tallylight-policy-'));
    const rule = { name: 'lenient', match: { apps: [app] }, updateMetadata: 'whileRecording' };
    await writeFile(join(policyDir, 'lenient.json'), JSON.stringify(rule));
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const inner = memoryStore({ livedMs: Infinity });
    const commit = async (change: Commit): Promise<boolean> => {
      const done = await inner.calls.commit(change);
      if (change.record.event === 'metadataUpdated') await held;
      return done;
    };
    const store: Store = { ...inner, calls: { ...inner.calls, commit } };
    const world = await startWorld({ settings: { policyDir }, openStore: () => store });
    const call = world.graph.incomingCall({ answered: true });
    const token = await world.mint.mint({ azp: app });
    const ask = (action: string, body: unknown): ReturnType<typeof send> =>
      send(world.proxy.url, {
        method: 'POST',
        path: `/beta/communications/calls/${call}/${action}`,
        token,
        ...json(body),
      });
    expect((await ask('updateRecordingStatus', { status: 'recording' })).headers['tallylight-gate']).toBe(
      'open',
    );
    const update = ask('updateMetadata', { metadata: 'transcript' });
    await eventually(
      async () => (await inner.calls.read(call.replaceAll('-', '') as never)).holders.length > 0,
    );
    expect((await ask('updateRecordingStatus', { status: 'notRecording' })).status).toBe(200);
    release();
    expect((await update).headers['tallylight-reason']).toBe('RecordingStopped');
    expect(world.graph.log.map(({ action }) => action)).not.toContain('updateMetadata');
    await world.close();
    await rm(policyDir, { recursive: true });
  });
});

test('a client that resets an upgrade or a tunnel does not end the process', async () => {
  const world = await startWorld();
  const crashes: unknown[] = [];
  const record = (error: unknown): unknown => crashes.push(error);
  process.on('uncaughtException', record);
  const { hostname, port } = new URL(world.proxy.url);
  for (const head of [
    'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ]) {
    for (let round = 0; round < 25; round++) {
      const socket = connect(Number(port), hostname, () =>
        socket.write(head, () => socket.resetAndDestroy()),
      );
      socket.on('error', () => undefined);
      await once(socket, 'close');
    }
  }
  expect((await (await world.bot()).post('keepAlive')).status).toBe(200);
  process.off('uncaughtException', record);
  expect(crashes).toEqual([]);
  await world.close();
});
