import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Finding } from '../../../src/checks/finding.ts';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { callbackPath, startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { notificationIssuerOf, sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { makeCertificate } from '../../support/certificates.ts';
import { type EdgeManner, startTestEdge } from '../../support/edge.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { runToEnd, settingsFor, startProxyProcess, type ProxyProcess } from '../../support/process.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';

type Env = Readonly<Record<string, string>>;

/** Assigned to nobody, and no test is given it by chance, as a port that was just closed would be. */
const closedPort = 28;

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

const certificate = (options: Parameters<typeof makeCertificate>[2] = {}) =>
  makeCertificate(directory, `edge-${randomUUID()}`, { days: 90, ...options });

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
  expect(out).not.toMatch(/hunter|Bearer|eyJ[A-Za-z0-9]|sandbox-secret/);
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
    { event: 'stopRequested', from: 'idle', to: 'stopping', binding: null },
    { event: 'drained', to: 'unconfirmed', binding: null },
    { event: 'stopRefused', to: 'idle', binding: null },
  ]);
  const upload = await fetch(`${proxy.adminUrl}/metrics`);
  expect(await upload.text()).toMatch(/^tallylight_calls\{[^}]*state="recording"[^}]*\} 1$/m);
  expect((await bot.report('notRecording')).status).toBe(200);
});

interface EvidenceLine {
  readonly call?: string;
  readonly event?: string;
}

async function evidence(): Promise<readonly EvidenceLine[]> {
  const folder = join(directory, 'evidence');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as EvidenceLine),
  );
}

interface Ill {
  readonly what: string;
  readonly how: () => Env | Promise<Env>;
  readonly token?: () => Promise<string>;
  readonly names: string;
  readonly says: RegExp;
  readonly cure: RegExp;
  /** 0: it is doubtful. */
  readonly code: 0 | 3 | 4 | 5;
}

const asItIs = (): Env => ({});
const ahead = (ms: number) => (headers: Record<string, unknown>) => {
  headers.date = new Date(Date.now() + ms).toUTCString();
};

const origins: readonly Ill[] = [
  {
    what: 'a name that DNS does not know',
    how: () => ({ TALLYLIGHT_PUBLIC_URL: 'https://tally.invalid' }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /tally\.invalid cannot be resolved: (?:ENOTFOUND|EAI_AGAIN)/,
    cure: /DNS/,
    code: 5,
  },
  {
    what: 'an origin where nobody listens',
    how: () => ({ TALLYLIGHT_PUBLIC_URL: `http://127.0.0.1:${closedPort}` }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /no connection to port 28 of 127\.0\.0\.1 .*ECONNREFUSED: .*nothing listens/,
    cure: /start the server/,
    code: 5,
  },
  {
    what: 'a certificate of an authority that is not trusted',
    how: async () => ({ ...(await edge({ tls: await certificate() })), NODE_EXTRA_CA_CERTS: '' }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /is not accepted: DEPTH_ZERO_SELF_SIGNED_CERT/,
    cure: /NODE_EXTRA_CA_CERTS/,
    code: 5,
  },
  {
    what: 'an expired certificate',
    how: async () => edge({ tls: await certificate({ daysAgo: 100 }) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /is not accepted: CERT_HAS_EXPIRED/,
    cure: /renewed/,
    code: 5,
  },
  {
    what: 'a certificate of another name',
    how: async () => edge({ tls: await certificate({ host: 'other.example' }) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /for DNS:other\.example, .*is not accepted: ERR_TLS_CERT_ALTNAME_INVALID/,
    cure: /a certificate that names the host/,
    code: 5,
  },
  {
    what: 'a certificate that ends soon',
    how: async () => edge({ tls: await certificate({ daysAgo: 80 }) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /\(9 days\)/,
    cure: /Renew/,
    code: 0,
  },
  {
    what: 'http where https is expected',
    how: async () => ({
      TALLYLIGHT_PUBLIC_URL: ((await edge()).TALLYLIGHT_PUBLIC_URL ?? '').replace('http:', 'https:'),
    }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /(?:ERR_SSL_WRONG_VERSION_NUMBER|EPROTO|ECONNRESET|ERR_SSL_PACKET_LENGTH_TOO_LONG)/,
    cure: /scheme/,
    code: 5,
  },
  {
    what: 'https where http is expected',
    how: async () => ({
      TALLYLIGHT_PUBLIC_URL: ((await edge({ tls: await certificate() })).TALLYLIGHT_PUBLIC_URL ?? '').replace(
        'https:',
        'http:',
      ),
    }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /does not answer: ECONNRESET/,
    cure: /scheme/,
    code: 5,
  },
  {
    what: 'an origin that is not known',
    how: () => ({ TALLYLIGHT_PORT: '0' }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /is not set and TALLYLIGHT_PORT is 0/,
    cure: /Set the origin/,
    code: 0,
  },
];

const edges: readonly Ill[] = [
  {
    what: 'an edge that answers itself',
    how: () => edge({ keeps: '/' }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /answers 404 \(text\/html, server a-test-edge\) without Tallylight-Reason, so it is not the proxy/,
    cure: /Route this origin to the proxy/,
    code: 5,
  },
  {
    what: 'an edge that buffers',
    how: () => edge({ buffers: true }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /forwards a request only when its body is complete/,
    cure: /docs\/operate\/edges\.md/,
    code: 5,
  },
  {
    what: 'an edge that buffers bodies of unknown length',
    how: () => edge({ buffersChunked: true }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /forwards a request only when its body is complete/,
    cure: /docs\/operate\/edges\.md/,
    code: 5,
  },
  {
    what: 'an edge that answers uploads itself',
    how: () => edge({ keeps: '/media' }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /an upload to .* is answered with 404 \(text\/html/,
    cure: /Route this origin to the proxy/,
    code: 5,
  },
  {
    what: 'an edge that removes Authorization',
    how: () => edge({ onRequest: (headers) => delete headers.authorization }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /removes or replaces the header field Authorization/,
    cure: /forward Authorization unchanged/,
    code: 5,
  },
  {
    what: 'an edge that removes Tallylight-Reason',
    how: () => edge({ onResponse: (headers) => delete headers['tallylight-reason'] }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /removes the header field Tallylight-Reason/,
    cure: /forward all header fields/,
    code: 0,
  },
  {
    what: 'an edge that keeps the callback path',
    how: () => edge({ keeps: '/callbacks' }),
    names: 'TALLYLIGHT_CALLBACKS[0].path',
    says: /answered with 404 \(text\/html.*does not reach the proxy/,
    cure: /Route this origin to the proxy/,
    code: 5,
  },
  {
    what: 'another origin for Graph that keeps the callback path',
    how: async () => ({
      TALLYLIGHT_CALLBACK_URL: (await edge({ keeps: '/callbacks' })).TALLYLIGHT_PUBLIC_URL ?? '',
    }),
    names: 'TALLYLIGHT_CALLBACKS[0].path',
    says: /answered with 404 \(text\/html.*does not reach the proxy/,
    cure: /Route this origin to the proxy/,
    code: 5,
  },
  {
    what: 'a clock that is ahead',
    how: () => edge({ onResponse: ahead(10_000) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /the clock of what answers at .* is at least \d+ ms ahead of the clock of this machine$/,
    cure: /NTP/,
    code: 0,
  },
  {
    what: 'a clock that is far behind',
    how: () => edge({ onResponse: ahead(-90_000) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /behind the clock of this machine: beyond 30 s good tokens are refused/,
    cure: /NTP/,
    code: 5,
  },
];

const tokens: readonly Ill[] = [
  {
    what: 'a token file that is not there',
    how: asItIs,
    token: () => Promise.resolve('/nowhere/token'),
    names: '--token-file',
    says: /cannot be read \(ENOENT\)/,
    cure: /Name a file/,
    code: 3,
  },
  {
    what: 'a file that holds no token',
    how: asItIs,
    token: async () => {
      const path = join(directory, 'no-token');
      await writeFile(path, 'Bearer hunter2 hunter3');
      return path;
    },
    names: '--token-file',
    says: /does not contain one access token/,
    cure: /without "Bearer"/,
    code: 3,
  },
  {
    what: 'an expired token',
    how: asItIs,
    token: () => tokenWith({ exp: Math.floor(Date.now() / 1000) - 600 }),
    names: '--token-file',
    says: /would be refused with TokenExpired/,
    cure: /new token/,
    code: 5,
  },
  {
    what: 'a token for somebody else',
    how: asItIs,
    token: () => tokenWith({ aud: 'api://other' }),
    names: 'TALLYLIGHT_ISSUERS',
    says: /would be refused with TokenInvalid: .*aud/,
    cure: /issuer and audience/,
    code: 5,
  },
  {
    what: 'a token without its role',
    how: asItIs,
    token: () => tokenWith({ roles: ['User.Read.All'] }),
    names: 'TALLYLIGHT_ISSUERS',
    says: /would be refused with TokenNotAllowed: .*role/,
    cure: /Grant the application role/,
    code: 5,
  },
];

/** What a status change is answered by Graph, for as many requests as it is asked by one run. */
const graphAnswers = (status: number, code: string) => (): Env => {
  const script = peers.graph.script({
    action: '*',
    answer: { error: { status, code, message: '', headers: {} } },
    times: 2,
  });
  closers.push(() => script.release());
  return {};
};

const surroundings: readonly Ill[] = [
  {
    what: 'an application without consent, as Graph sees it',
    how: graphAnswers(403, 'Forbidden'),
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL[0]',
    says: /answered by Graph with 403 Forbidden: the application lacks a permission, or consent/,
    cure: /admin consent/,
    code: 5,
  },
  {
    what: 'an application without consent, through the proxy',
    how: graphAnswers(403, 'Forbidden'),
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL',
    says: /answered by Graph with 403 Forbidden: the application lacks a permission, or consent/,
    cure: /admin consent/,
    code: 5,
  },
  {
    what: 'a Graph token that Graph does not accept',
    how: graphAnswers(401, 'InvalidAuthenticationToken'),
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL[0]',
    says: /answered by Graph with 401 InvalidAuthenticationToken: Graph does not accept the token/,
    cure: /scope/,
    code: 5,
  },
  {
    what: 'a Graph that is not there',
    how: () => ({ TALLYLIGHT_GRAPH_URL: `http://127.0.0.1:${closedPort}` }),
    names: 'TALLYLIGHT_GRAPH_URL',
    says: /is not answered by Graph: ECONNREFUSED/,
    cure: /start the server/,
    code: 5,
  },
  {
    what: 'a key server that is not there',
    how: () => ({
      TALLYLIGHT_ISSUERS: JSON.stringify([
        {
          issuer: peers.mint.issuer,
          audience: peers.mint.audience,
          jwksUri: `http://127.0.0.1:${closedPort}/keys`,
        },
      ]),
    }),
    names: 'TALLYLIGHT_ISSUERS[0].jwksUri',
    says: /no signing keys from .*: ECONNREFUSED/,
    cure: /start the server/,
    code: 5,
  },
  {
    what: 'a Redis that is not there',
    how: () => ({ TALLYLIGHT_REDIS_URL: `redis://127.0.0.1:${closedPort}` }),
    names: 'TALLYLIGHT_REDIS_URL',
    says: /ECONNREFUSED/,
    cure: /start the server/,
    code: 5,
  },
  {
    what: 'times that those of the instances do not allow',
    how: () => ({ TALLYLIGHT_SESSION_TTL_MS: '30000' }),
    names: 'TALLYLIGHT_SESSION_TTL_MS',
    says: /could not join the others: .*30000 on this instance.*at most 1500/,
    cure: /same times/,
    code: 5,
  },
  {
    what: 'another directory of evidence',
    how: async () => {
      const other = await mkdtemp(join(directory, 'other-'));
      await writeFile(join(other, 'sink-id'), randomUUID());
      return { TALLYLIGHT_EVIDENCE_DIR: other };
    },
    names: 'TALLYLIGHT_EVIDENCE_DIR',
    says: /the evidence of this store is written to another directory/,
    cure: /TALLYLIGHT_EVIDENCE_MOVED_FROM/,
    code: 5,
  },
  {
    what: 'a directory of evidence that is not there',
    how: () => ({ TALLYLIGHT_EVIDENCE_DIR: join(directory, 'nowhere') }),
    names: 'TALLYLIGHT_EVIDENCE_DIR',
    says: /does not exist, though an instance creates it/,
    cure: /Name a directory/,
    code: 4,
  },
  {
    what: 'an admin port on which nobody listens',
    how: () => ({ TALLYLIGHT_ADMIN_PORT: String(closedPort) }),
    names: 'TALLYLIGHT_ADMIN_PORT',
    says: /no instance answers at .*ECONNREFUSED/,
    cure: /machine of the proxy/,
    code: 0,
  },
  {
    what: 'an admin port that is another server’s',
    how: () => ({ TALLYLIGHT_ADMIN_PORT: new URL(peers.mint.url).port }),
    names: 'TALLYLIGHT_ADMIN_PORT',
    says: /what answers on it, with 404 .*is not Tallylight/,
    cure: /machine of the proxy/,
    code: 0,
  },
  {
    what: 'an admin port that is not known',
    how: () => ({ TALLYLIGHT_ADMIN_PORT: '0' }),
    names: 'TALLYLIGHT_ADMIN_PORT',
    says: /is 0/,
    cure: /Set a port/,
    code: 0,
  },
  {
    what: 'settings that are not valid',
    how: () => ({ TALLYLIGHT_DRAIN_MS: '5s' }),
    names: 'TALLYLIGHT_DRAIN_MS',
    says: /without a unit/,
    cure: /Correct it/,
    code: 3,
  },
  {
    what: 'settings of the sandbox',
    how: () => ({ TALLYLIGHT_GRAPH_URL: undefined as unknown as string }),
    names: 'TALLYLIGHT_GRAPH_URL',
    says: /is not set/,
    cure: /settings of the deployment/,
    code: 3,
  },
];

describe.each([
  ['an origin', origins],
  ['an edge', edges],
  ['a token', tokens],
  ['the surroundings', surroundings],
])('%s', (_name, ills) => {
  test.each(ills)('$what', async ({ how, token, names, says, cure, code: expected }) => {
    const changes = await how();
    const { code, report } = await doctor(changes, await token?.());
    const found = report.findings.filter(({ setting, text }) => setting === names && says.test(text));
    const status = expected === 0 ? 'warn' : 'fail';
    expect({ found, all: not(report, 'ok') }).toMatchObject({
      found: [{ status, cure: expect.stringMatching(cure) }],
    });
    expect([code, report.exitCode]).toEqual([expected, expected]);
  });
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
