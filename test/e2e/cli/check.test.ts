import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { eventually } from '../../support/eventually.ts';
import { failedStart, runToEnd, settingsFor, startProxyProcess } from '../../support/process.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { startTlsRedis } from '../../support/tls-redis.ts';
import { configurationMistakes } from './configuration-mistakes.ts';
import type { Env, Mistake, Place } from './mistake.ts';
import { surroundingMistakes } from './surrounding-mistakes.ts';
import { freePort } from '../../support/free-port.ts';

let directory: string;
let occupant: Server;
let peers: Peers;
let redis: TestRedis;
/** Assigned to nobody, and no test is given it by chance, as a port that was just closed would be. */
const closedPort = 28;
const cleanUp: (() => unknown)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-check-'));
  occupant = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(occupant, 'listening');
  peers = await startPeers('127.0.0.1', 0, directory);
  redis = await startRedis({ appendOnly: true });
});
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
  // The evidence of a store goes to one directory, and each test has its own.
  await redis.cli('flushall');
});
afterAll(async () => {
  occupant.close();
  await Promise.all([peers.close(), redis.stop()]);
  await rm(directory, { recursive: true });
});

interface Report {
  readonly ok: boolean;
  readonly exitCode: number;
  readonly findings: readonly {
    readonly status: string;
    readonly setting: string;
    readonly text: string;
    readonly cure: string | null;
  }[];
}

/** Settings with which everything is right, and evidence of their own. */
async function usual(): Promise<Env> {
  const home = await mkdtemp(join(directory, 'home-'));
  return { ...settingsFor(peers, home), TALLYLIGHT_REDIS_URL: redis.url };
}

const place = (): Place => ({
  directory,
  closedPort,
  takenPort: (occupant.address() as AddressInfo).port,
  mint: peers.mint,
  later: (clean) => void cleanUp.push(clean),
});

async function check(env: Env): Promise<{ code: unknown; report: Report; text: string }> {
  const { code, out, err } = await runToEnd(['check', '--json'], env, { cwd: directory });
  expect(err).toBe('');
  return { code, report: JSON.parse(out) as Report, text: out };
}

const secrets = /hunter|Bearer|eyJ[A-Za-z0-9]/;

test('settings that are right have nothing wrong, and are told one by one', async () => {
  const env = await usual();
  const { code, report } = await check(env);
  expect(report.findings.filter(({ status }) => status === 'fail')).toEqual([]);
  expect([code, report.ok, report.exitCode]).toEqual([0, true, 0]);
  const right = report.findings.filter(({ status }) => status === 'ok').map(({ setting }) => setting);
  expect(right).toEqual(
    expect.arrayContaining([
      'settings',
      'TALLYLIGHT_POLICY_DIR',
      'TALLYLIGHT_PORT',
      'TALLYLIGHT_ADMIN_PORT',
      'TALLYLIGHT_EVIDENCE_DIR',
      'TALLYLIGHT_REDIS_URL',
      'TALLYLIGHT_ISSUERS[0].jwksUri',
      'TALLYLIGHT_GRAPH_CREDENTIAL[0]',
      'TALLYLIGHT_GRAPH_URL',
      'TALLYLIGHT_MEDIA_ROUTES[0].upstream',
    ]),
  );
  const { code: exit, out } = await runToEnd(['check'], env, { cwd: directory });
  expect(exit).toBe(0);
  expect(out).toMatch(/^ok {4}settings: every setting is valid$/m);
  expect(out).toMatch(/^\d+ ok, \d+ doubtful, 0 wrong$/m);
});

/** The line of the log, or of standard error, that a start writes about it. */
const saysSo = ({ names, says }: Mistake, line: string): boolean =>
  line.includes(names.replace(/[.[].*/, '')) && says.test(line.replaceAll('\\"', '"'));

/** Mistakes that people make, each alone in settings that are right otherwise. */
test.each([...configurationMistakes, ...surroundingMistakes])('$what', async (mistake) => {
  const env = { ...(await usual()), ...(await mistake.env(place())) };
  await Promise.all([expectFound(mistake, env), expectTold(mistake, env)]);
});

async function expectFound(mistake: Mistake, env: Env): Promise<void> {
  const { code, report, text } = await check(env);
  const found = report.findings.filter(
    ({ setting, text: said }) => setting === mistake.names && mistake.says.test(`${setting} ${said}`),
  );
  const status = mistake.check === 0 ? 'warn' : 'fail';
  expect(found).toMatchObject([{ status, cure: expect.stringMatching(/./) }]);
  expect([code, report.exitCode]).toEqual([mistake.check, mistake.check]);
  expect(text).not.toMatch(secrets);
}

async function expectTold(mistake: Mistake, env: Env): Promise<void> {
  if (mistake.start === 'ends') {
    const { code, output } = await failedStart(env);
    expect(code).toBe(mistake.check);
    const lines = output.split('\n').filter((line) => line.startsWith('tallylight: '));
    expect(lines.filter((line) => saysSo(mistake, line))).toHaveLength(1);
    expect(output).not.toMatch(secrets);
    return;
  }
  const proxy = await startProxyProcess(env);
  cleanUp.push(() => {
    proxy.kill('SIGKILL');
    return proxy.exited;
  });
  const isWarned = (line: string): boolean => line.includes('"level":"warn"') && saysSo(mistake, line);
  if (mistake.start === 'warns')
    await eventually(() => proxy.lines.some(isWarned), { what: 'a warning that names the setting' });
  expect(proxy.lines.join('\n')).not.toMatch(secrets);
}

test('a configuration in use is right as well: its ports are those of the instance', async () => {
  const env = {
    ...(await usual()),
    TALLYLIGHT_PORT: String(await freePort()),
    TALLYLIGHT_ADMIN_PORT: String(await freePort()),
  };
  const proxy = await startProxyProcess(env);
  cleanUp.push(() => {
    proxy.kill('SIGKILL');
    return proxy.exited;
  });
  const { code, report } = await check(env);
  expect(code).toBe(0);
  expect(report.findings.find(({ setting }) => setting === 'TALLYLIGHT_PORT')?.text).toContain(
    'in use by a running instance',
  );
});

test('Redis over TLS is right once its authority is named', async () => {
  const secure = await startTlsRedis(await mkdtemp(join(directory, 'tls-')));
  cleanUp.push(() => secure.stop());
  const env = { ...(await usual()), TALLYLIGHT_REDIS_URL: secure.tlsUrl };
  const about = ({ report }: { report: Report }) =>
    report.findings.filter(({ setting }) => setting === 'TALLYLIGHT_REDIS_URL');
  const unknown = await check(env);
  expect(about(unknown)).toMatchObject([
    { status: 'fail', text: expect.stringMatching(/^DEPTH_ZERO_SELF_SIGNED_CERT: /) },
  ]);
  expect(unknown.code).toBe(5);
  const known = await check({ ...env, NODE_EXTRA_CA_CERTS: secure.certFile });
  expect(about(known)).toMatchObject([{ status: 'ok', text: expect.stringMatching(/^Redis \S+ answers$/) }]);
  expect(known.code).toBe(0);
});

test('without Graph it says that the sandbox would start', async () => {
  const { code, report } = await check({ TALLYLIGHT_PORT: '0', TALLYLIGHT_ADMIN_PORT: '0' });
  expect(code).toBe(0);
  expect(report.findings[0]).toMatchObject({ status: 'warn', setting: 'TALLYLIGHT_GRAPH_URL' });
});
