import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../src/core/ports/log.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { type Report, verifyJournal } from '../../src/evidence/verify/verify.ts';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import type { IncomingCall } from '../../src/sandbox/graph/control.ts';
import { callbackPath, type Peers, startPeers } from '../../src/sandbox/peers.ts';
import { notificationIssuerOf, sandboxApp, sandboxSecret } from '../../src/sandbox/token-mint.ts';
import { type RunningProxy, startProxy } from '../../src/server/proxy.ts';
import { defaultLimits } from '../../src/settings/limits.ts';
import type { ProxySettings } from '../../src/settings/settings.ts';
import { memoryStore } from '../../src/store/memory.ts';

const graphTimeoutMs = 1500;
/** A machine that is busy elsewhere must not close the gate. */
const sessionTtlMs = 10_000;

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

export interface WorldOptions {
  readonly settings?: Partial<ProxySettings> | ((peers: Peers) => Partial<ProxySettings>);
  readonly openStore?: () => Store;
  readonly log?: Log;
  /** Graph notifies the bot endpoint through the proxy; default: it does not. */
  readonly notifications?: boolean;
}

/** A proxy in this process with everything it stands between, on loopback and on free ports. */
export interface World extends Peers {
  readonly proxy: RunningProxy;
  readonly directory: string;
  /** A bot with a call that is established. */
  bot(call?: IncomingCall): Promise<Bot>;
  /** Closes the proxy and checks the evidence it leaves. */
  closeAndVerify(): Promise<Report>;
  close(): Promise<void>;
}

export async function startWorld({
  settings = {},
  openStore,
  log = silentLog,
  notifications = false,
}: WorldOptions = {}): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-'));
  const peers = await startPeers('127.0.0.1', 0, directory);
  const { mint, graph, sink, callbackBot } = peers;
  const given = typeof settings === 'function' ? settings(peers) : settings;
  const proxy = await startProxy(
    {
      mode: 'proxy',
      shutdownDelayMs: 0,
      host: '127.0.0.1',
      port: 0,
      adminPort: 0,
      trustedProxies: [],
      graphUrl: graph.url,
      graphTimeoutMs,
      sessionTtlMs,
      sessionTtlMaxMs: given.sessionTtlMs ?? sessionTtlMs,
      graphTimeoutMaxMs: given.graphTimeoutMs ?? graphTimeoutMs,
      drainMs: 400,
      callSilenceMs: 3_000_000,
      witnessGraceMs: 200,
      controlAuth: 'jwt',
      opaqueGraphTokens: 'refuse',
      issuers: [{ issuer: mint.issuer, audience: mint.audience, jwksUri: mint.jwksUri }],
      graphCredentials: [
        { tokenEndpoint: mint.tokenEndpoint, clientId: sandboxApp, clientSecret: sandboxSecret },
      ],
      mediaRoutes: [
        {
          ...{ path: '/media/{callId}/*', upstream: sink.url, methods: ['POST', 'PUT'] },
          ...{ reads: 'pass', websocket: true },
        },
      ],
      callbacks: [{ path: callbackPath, upstream: callbackBot.url }],
      notificationIssuers: [notificationIssuerOf(mint)],
      evidenceDir: join(directory, 'evidence'),
      limits: defaultLimits,
      logLevel: 'silent',
      accessLog: false,
      ...given,
    },
    { log, openStore: openStore ?? (() => memoryStore({ livedMs: Infinity })) },
  );
  if (notifications) graph.connect({ webhook: `${proxy.url}/callbacks/calls` });
  let closed = false;
  const close = async (): Promise<void> => {
    if (!closed) await proxy.close();
    closed = true;
    await peers.close();
    await rm(directory, { recursive: true });
  };
  return {
    ...peers,
    proxy,
    directory,
    bot: async (call = {}) =>
      new Bot(proxy.url, await mint.mint(), graph.incomingCall({ answered: true, ...call })),
    async closeAndVerify() {
      closed = true;
      await proxy.close();
      return verifyEvidence(directory);
    },
    close,
  };
}

export async function verifyEvidence(directory: string): Promise<Report> {
  const folder = join(directory, 'evidence');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'));
  return verifyJournal(files.map((name) => join(folder, name)));
}
