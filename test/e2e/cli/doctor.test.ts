import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Finding } from '../../../src/checks/finding.ts';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { callbackPath, startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { notificationIssuerOf, sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { type CertificateOptions, makeCertificate } from '../../support/certificates.ts';
import { type EdgeManner, startTestEdge } from '../../support/edge.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { runToEnd, settingsFor, startProxyProcess, type ProxyProcess } from '../../support/process.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { closedPort, edges, type TestBed, origins, surroundings, tokens } from './doctor-ills.ts';
import type { Env } from './mistake.ts';

let directory: string;
let peers: Peers;
let redis: TestRedis;
let proxy: ProxyProcess;
/** The settings that the proxy runs with. */
let env: Env;
let tokenFile: string;

const closers: (() => unknown)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-doctor-'));
  peers = await startPeers('127.0.0.1', 0, directory);
  redis = await startRedis({ appendOnly: true });
  const { mint, callbackBot } = peers;
  env = {
    ...settingsFor(peers, directory),
    TALLYLIGHT_GRAPH_TIMEOUT_MS: '3000',
    TALLYLIGHT_PORT: String(await freePort()),
    TALLYLIGHT_ADMIN_PORT: String(await freePort()),
    TALLYLIGHT_REDIS_URL: redis.url,
    TALLYLIGHT_CALLBACKS: JSON.stringify([{ path: callbackPath, upstream: callbackBot.url }]),
    TALLYLIGHT_NOTIFICATION_ISSUERS: JSON.stringify([notificationIssuerOf(mint)]),
    TALLYLIGHT_TRUSTED_PROXIES: '["127.0.0.2"]',
    TALLYLIGHT_REQUEST_START_HEADER: 'X-Request-Start',
  };
  proxy = await startProxyProcess(env);
  tokenFile = await tokenWith({});
  await eventually(async () => (await fetch(`${proxy.adminUrl}/readyz/gates`)).ok, {
    what: 'gates that may open',
  });
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(async () => {
  proxy.kill('SIGKILL');
  await proxy.exited;
  await Promise.all([peers.close(), redis.stop()]);
  await rm(directory, { recursive: true });
});

const tokenWith = async (claims: Readonly<Record<string, unknown>>): Promise<string> => {
  const path = join(directory, randomUUID());
  await writeFile(path, `${await peers.mint.mint(claims)}\n`);
  return path;
};

async function edge(manner: EdgeManner = {}): Promise<Env> {
  const started = await startTestEdge(proxy.url, manner);
  closers.push(() => started.close());
  const { tls } = manner;
  return tls === undefined
    ? { TALLYLIGHT_PUBLIC_URL: `http://127.0.0.1:${started.port}` }
    : { TALLYLIGHT_PUBLIC_URL: `https://localhost:${started.port}`, NODE_EXTRA_CA_CERTS: tls.certFile };
}

const certificate = (options: CertificateOptions = {}) =>
  makeCertificate(directory, `edge-${randomUUID()}`, { days: 90, ...options });

async function graphSaying(status: number, code: string): Promise<Env> {
  const server = createServer((req, res) => {
    req.resume();
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { code } }));
  }).listen(0, '127.0.0.1');
  closers.push(() => server.close());
  await once(server, 'listening');
  return { TALLYLIGHT_GRAPH_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const testBed = (): TestBed => ({ directory, peers, edge, certificate, tokenWith, graphSaying });

interface Report {
  readonly ok: boolean;
  readonly exitCode: number;
  readonly findings: readonly Pick<Finding, 'status' | 'setting' | 'text' | 'cure'>[];
}

async function doctor(
  changes: Env = {},
  token: string = tokenFile,
): Promise<{ code: unknown; report: Report }> {
  const { code, out, err } = await runToEnd(
    ['doctor', '--json', '--token-file', token],
    { ...env, ...changes },
    { cwd: directory },
  );
  expect(err).toBe('');
  expect(out).not.toMatch(/hunter|Bearer \S{6}|eyJ[A-Za-z0-9]|sandbox-secret/);
  return { code, report: JSON.parse(out) as Report };
}

const not = ({ findings }: Report, status: Finding['status']) =>
  findings.filter((finding) => finding.status !== status);

test('a deployment that is right: nothing is doubtful, and every part is named', async () => {
  const { code, report } = await doctor(await edge({ tls: await certificate() }));
  expect(not(report, 'ok')).toEqual([]);
  expect([code, report.ok, report.exitCode]).toEqual([0, true, 0]);
  const texts = report.findings.map(({ setting, text }) => `${setting}: ${text}`).join('\n');
  for (const part of [
    /^settings: every setting is valid$/m,
    /^\/readyz\/gates: signalling is carried, and gates may open$/m,
    /^TALLYLIGHT_REQUEST_START_HEADER: no write was refused/m,
    /^TALLYLIGHT_REDIS_URL: Redis [\d.]+ answers$/m,
    /^TALLYLIGHT_EVIDENCE_DIR: .* can be written to$/m,
    /^TALLYLIGHT_ISSUERS\[0\]\.jwksUri: .* publishes 1 signing keys$/m,
    /^TALLYLIGHT_GRAPH_CREDENTIAL\[0\]: .* issues a Graph access token$/m,
    /^TALLYLIGHT_GRAPH_CREDENTIAL\[0\]: .* answered by Graph with 404: permissions and consent are there$/m,
    /^TALLYLIGHT_GRAPH_URL: .* answers/m,
    /^TALLYLIGHT_PUBLIC_URL: https:\/\/localhost:\d+ \((?:127\.0\.0\.1|::1)\) has a certificate that is accepted, for DNS:localhost, until \S+ \(89 days\)$/m,
    /^TALLYLIGHT_PUBLIC_URL: the proxy answers at .*; Authorization and Tallylight-Reason pass unchanged$/m,
    /^TALLYLIGHT_PUBLIC_URL: an upload reaches the proxy before its body is complete$/m,
    /^TALLYLIGHT_CALLBACKS\[0\]\.path: a notification to .*\/callbacks\/tallylight-doctor reaches the proxy$/m,
    /^--token-file: the token is of tenant 11111111-.* and application 22222222-.*, valid until .*; its signature is good$/m,
    /^TALLYLIGHT_PUBLIC_URL: a status change of a call that does not exist is answered with 404 through the proxy/m,
    /^clocks: within 2 s of this machine: Graph, the key server \S+, the proxy, what answers at https:\S+$/m,
  ])
    expect(texts).toMatch(part);
});

test('as text, and without a token: what was not tried is doubtful', async () => {
  const { code, out, err } = await runToEnd(['doctor'], env, { cwd: directory });
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(
    /^warn {2}--token-file: is not given, so no status change was tried through the proxy$/m,
  );
  expect(out).toMatch(/^\d+ ok, 1 doubtful, 0 wrong$/m);
});

test('no gate moves: a recording goes on, and nobody holds the call that was asked about', async () => {
  const { graph, mint } = peers;
  const bot = new Bot(proxy.url, await mint.mint(), graph.incomingCall({ answered: true }));
  expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
  const before = graph.log.length;
  expect((await doctor()).code).toBe(0);
  const asked = graph.log.slice(before).filter(({ call }) => call !== null);
  const calls = new Set(asked.map(({ call }) => call));
  expect(calls.size).toBe(1);
  expect(calls.has(bot.call)).toBe(false);
  expect(asked.map(({ asked: status, action, answered }) => [status ?? action, answered]).sort()).toEqual([
    ['getCall', 404],
    ['notRecording', 404],
    ['notRecording', 404],
  ]);
  for (const { clientRequestId, call } of asked) expect(clientRequestId).toBe(`tallylight-doctor-${call}`);
  // The stop is in the evidence as any other, by a caller to whom the call is not bound, and it is settled.
  const own = await eventually(async () => {
    const records = (await evidence()).filter(({ call }) => call === [...calls][0]?.replaceAll('-', ''));
    return records.at(-1)?.event === 'stopRefused' && records;
  });
  expect(own).toMatchObject([
    { event: 'stopRequested', from: 'idle', to: 'stopping', epoch: 0 },
    { event: 'drained', to: 'unconfirmed', epoch: 0 },
    { event: 'stopRefused', to: 'idle', epoch: 0 },
  ]);
  const metrics = await fetch(`${proxy.adminUrl}/metrics`);
  expect(await metrics.text()).toMatch(/^tallylight_calls\{[^}]*state="recording"[^}]*\} 1$/m);
  expect((await bot.report('notRecording')).status).toBe(200);
});

interface EvidenceLine {
  readonly call?: string;
  readonly event?: string;
}

async function evidence(folder = join(directory, 'evidence')): Promise<readonly EvidenceLine[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .flatMap((line) => (JSON.parse(line) as { readonly record?: EvidenceLine }).record ?? []),
  );
}

describe.each([
  ['an origin', origins],
  ['an edge', edges],
  ['a token', tokens],
  ['the surroundings', surroundings],
])('%s', (_name, ills) => {
  test.each(ills)('$what', async ({ how, token, names, says, cure, code: expected }) => {
    const changes = await how(testBed());
    const { code, report } = await doctor(changes, await token?.(testBed()));
    const found = report.findings.filter(({ setting, text }) => setting === names && says.test(text));
    const status = expected === 0 ? 'warn' : 'fail';
    expect({ found, all: not(report, 'ok') }).toMatchObject({
      found: [{ status, cure: expect.stringMatching(cure) }],
    });
    expect([code, report.exitCode]).toEqual([expected, expected]);
  });
});

test('settings without Graph are those of no deployment', async () => {
  const { code, out } = await runToEnd(['doctor', '--json'], {}, { cwd: directory });
  expect(code).toBe(3);
  expect((JSON.parse(out) as Report).findings).toMatchObject([
    {
      status: 'fail',
      setting: 'TALLYLIGHT_GRAPH_URL',
      cure: expect.stringMatching(/settings of the deployment/),
    },
  ]);
});

test('a caller without a credential for Graph is named', async () => {
  const other = await tokenWith({ azp: randomUUID() });
  const own = await startOwn({
    TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify({
      ...(JSON.parse(env.TALLYLIGHT_GRAPH_CREDENTIAL ?? '') as object),
      tenants: [sandboxTenant],
      apps: [randomUUID()],
    }),
  });
  const { code, report } = await doctor(own, other);
  expect(not(report, 'ok')).toMatchObject([
    {
      status: 'fail',
      setting: 'TALLYLIGHT_GRAPH_CREDENTIAL',
      text: expect.stringContaining('403 GraphCredentialMissing'),
      cure: expect.stringContaining('tenants and apps'),
    },
  ]);
  expect(code).toBe(5);
});

test('what keeps gates closed, and writes without a start time, are findings', async () => {
  const own = await startOwn({
    TALLYLIGHT_TRUSTED_PROXIES: '["127.0.0.1"]',
    TALLYLIGHT_REDIS_URL: `redis://127.0.0.1:${closedPort}`,
  });
  const { graph, mint } = peers;
  const bot = new Bot(
    `http://127.0.0.1:${own.TALLYLIGHT_PORT}`,
    await mint.mint(),
    graph.incomingCall({ answered: true }),
  );
  expect((await bot.upload('early', 10)).status).toBe(403);
  const { code, report } = await doctor(own);
  expect(code).toBe(5);
  expect(not(report, 'ok')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        status: 'fail',
        setting: '/readyz/gates',
        text: expect.stringMatching(/^StoreUnavailable: /),
        cure: expect.stringMatching(/Redis/),
      }),
      expect.objectContaining({
        status: 'warn',
        setting: 'TALLYLIGHT_REQUEST_START_HEADER',
        text: expect.stringMatching(/1 missing$/),
      }),
      expect.objectContaining({
        status: 'fail',
        setting: 'TALLYLIGHT_REDIS_URL',
        text: expect.stringContaining('503 StoreUnavailable'),
      }),
    ]),
  );
});

/** In `graph` mode the token is Graph's, and the proxy has none. */
test('with Graph tokens of bots a status change is answered with 404 as well', async () => {
  const own = await startOwn({ TALLYLIGHT_CONTROL_AUTH: 'graph' });
  const path = join(directory, 'graph-token');
  await writeFile(path, await peers.mint.mintGraphToken());
  const { code, report } = await doctor(own, path);
  expect(not(report, 'ok')).toEqual([]);
  expect(code).toBe(0);
  // Graph refuses before there is anything to stop.
  expect(await evidence(own.TALLYLIGHT_EVIDENCE_DIR)).toEqual([]);
  expect(report.findings.map(({ text }) => text).join('\n')).toMatch(
    /the Graph token is of tenant .*only Graph can verify it\n[^]*404 through the proxy/,
  );
  await writeFile(path, await peers.mint.mintGraphToken({ exp: 1000 }));
  expect(not((await doctor(own, path)).report, 'ok')).toMatchObject([
    { setting: '--token-file', text: 'the Graph token has expired' },
    { setting: '--token-file', text: expect.stringContaining('401 InvalidAuthenticationToken') },
  ]);
});

/** Another instance, on a store of its own; its settings. */
async function startOwn(changes: Env): Promise<Env> {
  const home = await mkdtemp(join(directory, 'home-'));
  const store = await startRedis({ appendOnly: true });
  closers.push(() => store.stop());
  const settings = {
    ...env,
    TALLYLIGHT_PORT: String(await freePort()),
    TALLYLIGHT_ADMIN_PORT: String(await freePort()),
    TALLYLIGHT_REDIS_URL: store.url,
    TALLYLIGHT_EVIDENCE_DIR: join(home, 'evidence'),
    // A new store takes status changes after three of them.
    TALLYLIGHT_GRAPH_TIMEOUT_MS: '1500',
    ...changes,
  };
  const own = await startProxyProcess(settings);
  closers.push(() => {
    own.kill('SIGKILL');
    return own.exited;
  });
  if (changes.TALLYLIGHT_REDIS_URL === undefined)
    await eventually(async () => (await fetch(`${own.adminUrl}/readyz/gates`)).ok, {
      what: 'gates that may open',
    });
  return settings;
}
