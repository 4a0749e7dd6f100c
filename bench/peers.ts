import { join } from 'node:path';
import { buildAlwaysYes } from './always-yes.ts';
import { Bot, newCall } from './bot.ts';
import { startInstance, takesWebSockets, type TestBed } from './test-bed.ts';
import { startNginx } from './nginx.ts';
import type { PeerName } from './peer-names.ts';
import { benchDirectory, launch, message, type Launched } from './processes.ts';

export interface Peer {
  readonly name: PeerName;
  readonly process: Launched;
  readonly port: number;
}

export interface Peers {
  readonly all: readonly Peer[];
  /** Ids of calls that are being recorded. */
  readonly calls: readonly string[];
  readonly webSocket: boolean;
  /** Why a peer is left out. */
  readonly absent: Readonly<Partial<Record<PeerName, string>>>;
  close(): Promise<void>;
}

export interface PeersOptions {
  readonly node: string;
  readonly nginx: { readonly plain: boolean; readonly lua: boolean };
}

/** More than one, since an instance limits the uploads of one call. */
const callCount = 16;

/** Starts all of them; they stay, and only the one that is measured has anything to do. */
export async function startPeers(testBed: TestBed, { node, nginx }: PeersOptions): Promise<Peers> {
  const { sinkPort, redis, graph, directory } = testBed;
  const all: Peer[] = [];
  const webSocket = await takesWebSockets(testBed, node);
  const main = buildAlwaysYes(join(directory, 'always-yes'));
  // The first instance writes the evidence for all; that is no cost of either of the two that are compared.
  const writer = await startInstance(testBed, { node, aside: true });
  const ours = await startInstance(testBed, { node, webSocket });
  const yes = await startInstance(testBed, { node, webSocket, main });
  const logging = await startInstance(testBed, { node, accessLog: true });
  all.push({ name: 'tallylight', ...ours }, { name: 'alwaysYes', ...yes }, { name: 'accessLog', ...logging });

  const env = { SINK_PORT: String(sinkPort), REDIS_PORT: String(redis.port), GRAPH_URL: graph.url };
  for (const name of ['express', 'fastify', 'pipe'] as const) {
    const process = launch(node, [join(benchDirectory, 'peers', `${name}.mjs`)], {
      env,
      ipc: true,
      proxy: true,
    });
    const { port } = await message(process, isListening);
    all.push({ name, process, port });
  }
  const absent: Partial<Record<PeerName, string>> = {};
  const place = { sinkPort, redisPort: redis.port, graphPort: Number(new URL(graph.url).port) };
  const why = 'it is not installed, and only root on Debian installs it';
  if (nginx.lua) {
    all.push({
      name: 'nginxLua',
      ...(await startNginx({ ...place, directory: join(directory, 'lua'), lua: true })),
    });
  } else absent.nginxLua = why;
  if (nginx.plain) {
    all.push({
      name: 'nginx',
      ...(await startNginx({ ...place, directory: join(directory, 'nginx'), lua: false })),
    });
  } else absent.nginx = why;

  const calls = await Promise.all(Array.from({ length: callCount }, () => newCall(graph.url)));
  const bot = new Bot(ours.url, graph.token);
  for (const call of calls) {
    await bot.startRecording(call);
    await redis.cli('hset', `call:${call}`, 'state', 'recording');
  }
  await bot.close();
  return {
    all,
    calls,
    webSocket,
    absent,
    async close() {
      await Promise.all([writer, ...all].map(({ process }) => process.stop()));
    },
  };
}

const isListening = (value: unknown): value is { port: number } =>
  typeof value === 'object' && value !== null && 'port' in value;
