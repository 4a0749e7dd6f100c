import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFakeGraph, type FakeGraph } from '../../src/sandbox/graph/fake-graph.ts';
import { startTokenMint, type TokenMint } from '../../src/sandbox/token-mint.ts';
import { settingsFor } from '../support/process.ts';
import type { Times } from './answers.ts';
import { Instance } from './instance.ts';
import { startRedisPair, type RedisPair } from './redis-pair.ts';
import { Arrivals, startRelay } from './relay.ts';
import { watchForStops, type Sighting } from './sightings.ts';
import { startStampingSink, type StampingSink } from './stamps.ts';

/** Three proxies on one store, and everything they stand between. */
export interface Arena {
  readonly mint: TokenMint;
  readonly graph: FakeGraph;
  readonly sink: StampingSink;
  readonly redis: RedisPair;
  readonly instances: readonly Instance[];
  /** Stops on their way to Graph, of all proxies. */
  readonly sightings: readonly Sighting[];
  readonly evidence: string;
  close(): Promise<void>;
}

export interface ArenaOptions {
  readonly times: Times;
  /** The program of the proxies; the built one if absent. */
  readonly main?: string | undefined;
}

const instanceCount = 3;

export async function startArena({ times, main }: ArenaOptions): Promise<Arena> {
  const cleanUp: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const clean of cleanUp.splice(0).reverse()) await clean();
  };
  const opened = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
    const one = await opening;
    cleanUp.push(() => one.close());
    return one;
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), 'tallylight-chaos-'));
    cleanUp.push(() => rm(directory, { recursive: true, force: true }));
    const evidence = join(directory, 'evidence');
    await mkdir(evidence);

    const redis = await startRedisPair();
    cleanUp.push(() => redis.stop());
    const mint = await opened(startTokenMint());
    const graph = await opened(
      startFakeGraph({ verify: mint.verifyGraphToken, sign: mint.mintNotificationToken }),
    );
    const arrivals = new Arrivals();
    const sink = await opened(startStampingSink((port, bytes) => arrivals.at(port, bytes)));
    const stops = watchForStops();
    const instances: Instance[] = [];
    cleanUp.push(() => Promise.all(instances.map((instance) => instance.kill())));
    for (let n = 0; n < instanceCount; n += 1) {
      const store = await opened(redis.newWay());
      const ways = {
        graph: await opened(startRelay({ target: graph.url, watch: stops.newWatcher() })),
        sink: await opened(startRelay({ target: sink.url, arrivals })),
        store: store.way,
        bots: await opened(startRelay()),
      };
      const settings = {
        ...settingsFor({ mint, graph: ways.graph, sink: ways.sink }, directory),
        TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([
          { path: '/media/{callId}/*', upstream: ways.sink.url, websocket: true },
        ]),
        TALLYLIGHT_REDIS_URL: store.url,
        TALLYLIGHT_REDIS_DURABILITY: 'require',
        TALLYLIGHT_REDIS_WAIT_REPLICAS: '1',
        TALLYLIGHT_SESSION_TTL_MS: String(times.ttlMs),
        TALLYLIGHT_DRAIN_MS: String(times.drainMs),
        TALLYLIGHT_GRAPH_TIMEOUT_MS: String(times.graphTimeoutMs),
      };
      const instance = new Instance(ways, { settings, main });
      instances.push(instance);
      await instance.boot();
    }
    return { mint, graph, sink, redis, instances, sightings: stops.sightings, evidence, close };
  } catch (error) {
    await close();
    throw error;
  }
}
