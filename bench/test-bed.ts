import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sandboxApp, sandboxSecret } from '../src/sandbox/token-mint.ts';
import { eventually } from '../test/support/eventually.ts';
import { startRedis, type TestRedis } from '../test/support/redis.ts';
import type { Graph } from './graph.ts';
import type { Job, LoadReport } from './load-generator.ts';
import { benchDirectory, launch, message, repository, type Launched } from './processes.ts';
import type { SinkCount } from './sink.ts';

/** What the proxies stand between, each in a process of its own: Redis, Graph, the sink and the load. */
export interface TestBed {
  readonly directory: string;
  readonly redis: TestRedis;
  readonly graph: Graph;
  readonly sinkPort: number;
  /** What the sink has read so far. */
  counted(): Promise<SinkCount>;
  load(job: Job): Promise<LoadReport>;
  report(): Promise<LoadReport>;
  /** Forgets the times of the requests so far. */
  reset(): Promise<LoadReport>;
  unload(): Promise<LoadReport>;
  close(): Promise<void>;
}

const has =
  (key: string) =>
  (value: unknown): value is object =>
    typeof value === 'object' && value !== null && key in value;

const module = (name: string): Launched =>
  launch(process.execPath, [`${benchDirectory}child.mjs`, name], { ipc: true });

/** The temporary directory of this process, before the test bed opens one of its own there. */
const temporary = tmpdir();

export async function openTestBed(): Promise<TestBed> {
  const directory = mkdtempSync(join(temporary, 'tallylight-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  // What others keep in temporary directories goes with ours, also when this process is interrupted.
  process.env.TMPDIR = directory;
  const redis = await startRedis();
  const graphProcess = module('graph.ts');
  const sink = module('sink.ts');
  const generator = module('load-generator.ts');
  const [graph, { port: sinkPort }] = await Promise.all([
    message(graphProcess, has('tokenEndpoint')) as Promise<Graph>,
    message(sink, has('port')) as Promise<{ port: number }>,
    message(generator, has('report')),
  ]);
  const ask = async <T extends object>(whom: Launched, question: object, key: string): Promise<T> => {
    const answer = message(whom, has(key)) as Promise<T>;
    whom.child.send(question);
    return answer;
  };
  const askLoad = async (question: object): Promise<LoadReport> =>
    (await ask<{ report: LoadReport }>(generator, question, 'report')).report;
  return {
    directory,
    redis,
    graph,
    sinkPort,
    counted: async () => (await ask<{ count: SinkCount }>(sink, {}, 'count')).count,
    load: (job) => askLoad({ job }),
    report: () => askLoad({}),
    reset: () => askLoad({ reset: true }),
    unload: () => askLoad({ stop: true }),
    async close() {
      await Promise.all([graphProcess.stop(), sink.stop(), generator.stop()]);
      await redis.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface Instance {
  readonly process: Launched;
  readonly url: string;
  readonly port: number;
  readonly adminUrl: string;
}

interface InstanceOptions {
  readonly node: string;
  readonly main?: string;
  readonly webSocket?: boolean;
  /** With a line for each request, which this process reads. */
  readonly accessLog?: boolean;
  readonly redisUrl?: string;
  readonly evidence?: string;
  /** Instead of running the build directly. */
  readonly npmStart?: boolean;
  /** Whether to wait until it may open gates; if absent, yes. */
  readonly awaitGates?: boolean;
  /** Not among those that are measured, so on the other core. */
  readonly aside?: boolean;
}

/** The proxy with the settings of a deployment; only the limits that a flood from one caller would meet are raised. */
export async function startInstance(testBed: TestBed, options: InstanceOptions): Promise<Instance> {
  const { graph } = testBed;
  const route = { path: '/media/{callId}/*', upstream: `http://127.0.0.1:${testBed.sinkPort}` };
  const main = options.main ?? join(repository, 'dist/src/cli/main.js');
  const [command, args] = options.npmStart === true ? ['npm', ['start']] : [options.node, [main]];
  const child = launch(command, args, {
    proxy: options.aside !== true,
    env: {
      PATH: `${dirname(options.node)}:${process.env.PATH ?? ''}`,
      TALLYLIGHT_PORT: '0',
      TALLYLIGHT_ADMIN_PORT: '0',
      TALLYLIGHT_GRAPH_URL: graph.url,
      // A store without data holds status changes back for three of these.
      TALLYLIGHT_GRAPH_TIMEOUT_MS: '1000',
      TALLYLIGHT_CONTROL_AUTH: 'jwt',
      TALLYLIGHT_ISSUERS: JSON.stringify([
        { issuer: graph.issuer, audience: graph.audience, jwksUri: graph.jwksUri },
      ]),
      TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify({
        tokenEndpoint: graph.tokenEndpoint,
        clientId: sandboxApp,
        clientSecret: sandboxSecret,
      }),
      TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([
        options.webSocket === true ? { ...route, websocket: true } : route,
      ]),
      TALLYLIGHT_REDIS_URL: options.redisUrl ?? testBed.redis.url,
      TALLYLIGHT_EVIDENCE_DIR: options.evidence ?? join(testBed.directory, 'evidence'),
      TALLYLIGHT_UNKNOWN_CALLS_PER_SECOND: '1000000',
      TALLYLIGHT_MAX_GRANTS: '200000',
      TALLYLIGHT_ACCESS_LOG: options.accessLog === true ? 'on' : 'off',
    },
  });
  const said = await eventually(
    () => {
      if (child.ended) throw new Error(`the proxy ended:\n${child.output}`);
      return /\{[^\n]*"msg":"listening"[^\n]*\}/.exec(child.output)?.[0];
    },
    { what: 'a proxy listening', withinMs: 120_000 },
  );
  const { url, adminUrl } = JSON.parse(said) as { url: string; adminUrl: string };
  if (options.awaitGates !== false)
    await eventually(async () => (await fetch(`${adminUrl}/readyz/gates`)).ok, {
      what: 'gates that may open',
    });
  return { process: child, url, adminUrl, port: Number(new URL(url).port) };
}

/** Whether this build takes WebSockets: one that does not stops at the unknown key of a route. */
export async function takesWebSockets(testBed: TestBed, node: string): Promise<boolean> {
  try {
    const instance = await startInstance(testBed, { node, webSocket: true });
    await instance.process.stop();
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes('TALLYLIGHT_MEDIA_ROUTES')) return false;
    throw error;
  }
}
