import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { sandboxSecret } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { failedStart, settingsFor, startProxyProcess, type ProxyProcess } from '../../support/process.ts';
import { startRedis } from '../../support/redis.ts';
import { verifyEvidence } from '../../support/world.ts';

const run = promisify(execFile);

let directory: string;
let peers: Peers;
/** A media handler that only counts, so that its own memory and disk say nothing. */
let drain: Server;
let drained = 0;

const settings = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  ...settingsFor(peers, directory),
  TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([
    { path: '/media/{callId}/*', upstream: peers.sink.url },
    { path: '/drain/{callId}', upstream: `http://127.0.0.1:${(drain.address() as AddressInfo).port}` },
  ]),
  ...more,
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-process-'));
  peers = await startPeers('127.0.0.1', 0, directory);
  drain = createServer((req, res) => {
    req.on('data', (chunk: Buffer) => (drained += chunk.length));
    req.on('end', () => res.end());
  }).listen(0, '127.0.0.1');
  await once(drain, 'listening');
});
afterAll(async () => {
  drain.closeAllConnections();
  drain.close();
  await peers.close();
  await rm(directory, { recursive: true });
});

const recordingBot = async (proxy: ProxyProcess): Promise<Bot> => {
  const bot = new Bot(proxy.url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true }));
  // A store that is as new as the process holds status changes back (rule R2).
  await eventually(async () => (await bot.report('recording')).status === 200);
  return bot;
};

describe('the proxy as a process', () => {
  test.each([
    ['TALLYLIGHT_ISSUERS', { TALLYLIGHT_ISSUERS: undefined }],
    ['TALLYLIGHT_CONTROL_AUTH', { TALLYLIGHT_CONTROL_AUTH: undefined }],
    ['TALLYLIGHT_EVIDENCE_DIR', { TALLYLIGHT_EVIDENCE_DIR: undefined }],
    ['TALLYLIGHT_GRAPH_URL', { TALLYLIGHT_GRAPH_URL: 'http://graph.example' }],
    ['TALLYLIGHT_PUBLIC_URL', { TALLYLIGHT_HOST: '0.0.0.0' }],
    ['TALLYLIGHT_DRAIN_MS', { TALLYLIGHT_DRAIN_MS: 'soon' }],
    ['TALLYLIGHT_DRIAN_MS', { TALLYLIGHT_DRIAN_MS: '5' }],
  ])('does not start when %s is missing or wrong, and says so', async (name, change) => {
    const env = Object.entries({ ...settings(), ...change }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    const { code, output } = await failedStart(Object.fromEntries(env));
    expect(code).toBe(3);
    expect(output).toContain(name);
    expect(output).not.toContain(sandboxSecret);
  });

  test('does not stay with a Redis that may evict keys', async () => {
    const redis = await startRedis({ settings: ['--maxmemory-policy', 'allkeys-lru'] });
    const { code, output } = await failedStart(settings({ TALLYLIGHT_REDIS_URL: redis.url }));
    expect(code).toBe(4);
    expect(output).toContain('TALLYLIGHT_REDIS_URL names a server that cannot be used');
    await redis.stop();
  });

  test('carries an upload of 1 GiB in flat memory, which it uses again and again', async () => {
    const proxy = await startProxyProcess(settings());
    const bot = await recordingBot(proxy);
    expect((await bot.upload('warm', 64_000)).status).toBe(201);
    const before = await residentKiB(proxy.pid);
    const faultsBefore = await pageFaults(proxy.pid);
    let peak = before;
    const sampler = setInterval(
      () => void residentKiB(proxy.pid).then((now) => (peak = Math.max(peak, now))),
      50,
    );
    const gibibyte = 1024 ** 3;
    const req = request(`${proxy.url}/drain/${bot.call}`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${await peers.mint.mint()}`, 'content-length': gibibyte },
    });
    const answered = once(req, 'response');
    const piece = Buffer.alloc(1024 * 1024);
    for (let sent = 0; sent < gibibyte; sent += piece.length) {
      if (!req.write(piece)) await once(req, 'drain');
    }
    req.end();
    const [res] = (await answered) as [{ statusCode: number; resume(): void }];
    res.resume();
    clearInterval(sampler);
    const faults = (await pageFaults(proxy.pid)) - faultsBefore;
    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(0);
    expect(res.statusCode).toBe(200);
    expect(drained).toBe(gibibyte);
    expect(peak - before).toBeLessThan(128 * 1024);
    // Of the 16,384 reads each could cost sixteen.
    expect(faults).toBeLessThan(32 * 1024);
  });

  test('drains, leaves and flushes its evidence on SIGTERM', async () => {
    const proxy = await startProxyProcess(
      settings({ TALLYLIGHT_EVIDENCE_DIR: join(directory, 'orderly', 'evidence') }),
    );
    const bot = await recordingBot(proxy);
    const upload = bot.slowUpload('unfinished');
    upload.send(640);
    await eventually(() => peers.sink.received.some(({ callId, bytes }) => callId === bot.call && bytes > 0));
    proxy.kill('SIGTERM');
    await upload.over;
    expect(await proxy.exited).toBe(0);
    expect(peers.sink.received.find(({ callId }) => callId === bot.call)?.complete).toBe(false);
    const report = await verifyEvidence(join(directory, 'orderly'));
    expect(report.misfit).toBeNull();
    expect(report.records).toBeGreaterThan(1);
  });

  test('tells what it can do: carry signalling, open gates, and its numbers', async () => {
    const proxy = await startProxyProcess(settings());
    await recordingBot(proxy);
    expect(await read(`${proxy.adminUrl}/livez`)).toMatchObject({ status: 200 });
    expect(await read(`${proxy.adminUrl}/readyz`)).toMatchObject({
      status: 200,
      body: '{"signalling":true,"gates":true}',
    });
    expect(await read(`${proxy.adminUrl}/readyz/gates`)).toMatchObject({ status: 200 });
    const metrics = await read(`${proxy.adminUrl}/metrics`);
    expect(metrics.body).toMatch(/tallylight_call_transitions_total\{[^}]*event="startConfirmed"[^}]*\} 1/);
    proxy.kill('SIGTERM');
    await proxy.exited;
  });

  test('keeps the old policies when a file is bad at reload, and takes good ones', async () => {
    const policies = await mkdtemp(join(directory, 'policies-'));
    const proxy = await startProxyProcess(settings({ TALLYLIGHT_POLICY_DIR: policies }));
    const bot = await recordingBot(proxy);
    const patch = async (): Promise<string | string[] | undefined> =>
      (await bot.post('updateMetadata', { metadata: 'x' })).headers['tallylight-reason'];
    expect(await patch()).toBe('PolicyRefused');
    await writeFile(join(policies, 'bad.json'), '{ "name": "bad", "nonsense": true }');
    proxy.kill('SIGHUP');
    await eventually(async () =>
      /tallylight_policy_reloads_total\{[^}]*\} 1/.test((await read(`${proxy.adminUrl}/metrics`)).body),
    );
    expect(await patch()).toBe('PolicyRefused');
    await writeFile(
      join(policies, 'bad.json'),
      '{ "name": "good", "match": {}, "updateMetadata": "forward" }',
    );
    proxy.kill('SIGHUP');
    await eventually(async () => (await patch()) === undefined);
    proxy.kill('SIGTERM');
    await proxy.exited;
  });

  test.each(['1', '2'])(
    'serves TLS by %s and takes a renewed certificate without a restart',
    async (workers) => {
      const cert = join(directory, 'cert.pem');
      const key = join(directory, 'key.pem');
      const renew = (name: string): Promise<unknown> =>
        run('openssl', [
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-days',
          '2',
          '-subj',
          `/CN=${name}`,
          '-keyout',
          key,
          '-out',
          cert,
        ]);
      await renew('first');
      const redis = await startRedis();
      const proxy = await startProxyProcess(
        settings({
          TALLYLIGHT_TLS_CERT_FILE: cert,
          TALLYLIGHT_TLS_KEY_FILE: key,
          TALLYLIGHT_REDIS_URL: redis.url,
          TALLYLIGHT_WORKERS: workers,
          TALLYLIGHT_EVIDENCE_DIR: join(directory, `tls-${workers}`),
        }),
      );
      expect(proxy.url).toMatch(/^https:/);
      expect(await subjectOf(proxy.url)).toBe('first');
      await writeFile(cert, 'not a certificate');
      await renew('second');
      // One worker may be later than another: as many in a row as there are.
      await eventually(async () => {
        for (let n = 0; n < Number(workers); n += 1)
          if ((await subjectOf(proxy.url)) !== 'second') return false;
        return true;
      });
      proxy.kill('SIGTERM');
      expect(await proxy.exited).toBe(0);
      await redis.stop();
    },
  );
});

async function residentKiB(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Those that need no disk: pages that the system had to map. */
async function pageFaults(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in parentheses, may hold spaces.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[7]);
}

function read(url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request(url, { agent: false }, (res) => {
      let body = '';
      res.on('data', (chunk: Buffer) => (body += chunk.toString()));
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body }));
    })
      .on('error', reject)
      .end();
  });
}

function subjectOf(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    // Only the name is looked at; nothing is trusted.
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
