import { join } from 'node:path';
import type { Log } from '../core/ports/log.ts';
import type { Store } from '../core/ports/store.ts';
import { type ProxyParts, type RunningProxy, startProxy } from '../server/proxy.ts';
import { sandboxMediaPath } from '../settings/routes.ts';
import type { ProxySettings, SandboxSettings } from '../settings/settings.ts';
import { memoryStore } from '../store/memory.ts';
import { redisStore } from '../store/redis/client.ts';
import { callbackPath, connectPeers, type Peers, startPeers } from './peers.ts';
import { notificationIssuerOf, sandboxApp, sandboxSecret } from './token-mint.ts';

export interface Sandbox extends Peers {
  readonly proxy: RunningProxy;
  /** Where a bot takes notifications instead of the sandbox's own. */
  readonly ownBot?: string;
  /** Where the evidence and the media are. */
  readonly directory: string;
}

export interface SandboxParts {
  readonly log: Log;
  /** Wraps the store, so that it can be made to fail. */
  readonly wrapStore?: (store: Store) => Store;
}

/** The proxy with everything it stands between, on loopback: a fake Graph, a media handler that stores, a token mint, a bot. */
export async function startSandbox(
  settings: SandboxSettings,
  { log, wrapStore = (store) => store }: SandboxParts,
): Promise<Sandbox> {
  const directory = settings.sandboxDir ?? join(process.cwd(), '.tallylight');
  const peers = await startPeers(settings.host, settings.port, directory);
  const openStore: ProxyParts['openStore'] = (meter) =>
    wrapStore(
      settings.redisUrl === undefined
        ? // Graph is as new as the store, so no older request can be on the wire.
          memoryStore({ livedMs: Infinity })
        : redisStore(settings.redisUrl, { meter, log }),
    );
  const proxy = await startProxy(proxySettings(settings, directory, peers), { log, openStore });
  const { sandboxBot } = settings;
  const path = sandboxBot === undefined ? undefined : new URL(sandboxBot).pathname;
  connectPeers(peers, proxy.url, path);
  return {
    ...peers,
    proxy,
    ...(sandboxBot === undefined ? {} : { ownBot: sandboxBot }),
    directory,
    async close() {
      await proxy.close();
      await peers.close();
    },
  };
}

/** What an operator would configure for these peers. */
function proxySettings(
  settings: SandboxSettings,
  directory: string,
  { mint, graph, sink, callbackBot }: Peers,
): ProxySettings {
  return {
    ...settings,
    mode: 'proxy',
    shutdownDelayMs: 0,
    trustedProxies: [],
    graphUrl: graph.url,
    controlAuth: 'jwt',
    opaqueGraphTokens: 'refuse',
    issuers: [{ issuer: mint.issuer, audience: mint.audience, jwksUri: mint.jwksUri }],
    graphCredentials: [
      { tokenEndpoint: mint.tokenEndpoint, clientId: sandboxApp, clientSecret: sandboxSecret },
    ],
    mediaRoutes: [
      {
        ...{ path: sandboxMediaPath, upstream: sink.url, methods: ['POST', 'PUT'] },
        ...{ reads: 'pass', websocket: true },
      },
    ],
    callbacks: callbacksOf(settings.sandboxBot, callbackBot.url),
    notificationIssuers: [notificationIssuerOf(mint)],
    evidenceDir: settings.evidenceDir ?? join(directory, 'evidence'),
  };
}

/** A bot of one's own has its own path, and may put its instance below it. */
function callbacksOf(ownBot: string | undefined, sandboxBot: string): ProxySettings['callbacks'] {
  if (ownBot === undefined) return [{ path: callbackPath, upstream: sandboxBot }];
  const { origin, pathname } = new URL(ownBot);
  return [pathname, `${pathname}/*`].map((path) => ({ path, upstream: origin }));
}
