import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import { startPeers, type Peers } from '../../src/sandbox/peers.ts';
import { eventually } from './eventually.ts';
import { settingsFor, startProxyProcess, type ProxyProcess } from './process.ts';
import { startRedis, type TestRedis } from './redis.ts';

/** undefined: without what is usual. */
type Settings = Readonly<Record<string, string | undefined>>;

/** What proxies need that run as processes of their own. */
export interface ProcessTestBed {
  readonly peers: Peers;
  /** One for each test. */
  readonly redis: TestRedis;
  /** One for each test, with the evidence and the files of that test. */
  readonly home: string;
  settings(more?: Settings): Record<string, string>;
  /** Resolves once the process listens; it is killed after the test. */
  start(more?: Settings): Promise<ProxyProcess>;
  newBot(proxy: Pick<ProxyProcess, 'url'>): Promise<Bot>;
  recordingBot(proxy: Pick<ProxyProcess, 'url'>): Promise<Bot>;
  /** Runs after the test. */
  later(clean: () => unknown): void;
}

/** Furnishes the tests of a file, and clears up after each. `always`: settings of every process. */
export function processTestBed(name: string, always: Settings = {}): ProcessTestBed {
  let directory: string;
  let peers: Peers;
  let redis: TestRedis;
  let home: string;
  const cleanUp: (() => unknown)[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), `tallylight-${name}-`));
    peers = await startPeers('127.0.0.1', 0, directory);
  });
  beforeEach(async () => {
    home = await mkdtemp(join(directory, 'home-'));
    redis = await startRedis();
  });
  afterEach(async () => {
    for (const clean of cleanUp.splice(0).reverse()) await clean();
    await redis.stop();
  });
  afterAll(async () => {
    await peers.close();
    await rm(directory, { recursive: true });
  });

  const testBed: ProcessTestBed = {
    get peers() {
      return peers;
    },
    get redis() {
      return redis;
    },
    get home() {
      return home;
    },
    settings(more = {}) {
      const all: Settings = {
        ...settingsFor(peers, home),
        TALLYLIGHT_REDIS_URL: redis.url,
        ...always,
        ...more,
      };
      return Object.fromEntries(
        Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      );
    },
    async start(more) {
      const proxy = await startProxyProcess(testBed.settings(more));
      cleanUp.push(() => {
        proxy.kill('SIGKILL');
        return proxy.exited;
      });
      return proxy;
    },
    newBot: async ({ url }) =>
      new Bot(url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true })),
    async recordingBot(proxy) {
      const bot = await testBed.newBot(proxy);
      // A new store holds status changes back for a while (rule R2).
      await eventually(async () => (await bot.report('recording')).status === 200, { what: 'recording' });
      return bot;
    },
    later: (clean) => void cleanUp.push(clean),
  };
  return testBed;
}
