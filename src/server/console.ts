import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { createOperatorVerifier } from '../auth/operator-issuers.ts';
import type { Backend } from '../console/backend.ts';
import { type Console, startConsole } from '../console/console.ts';
import type { Log } from '../core/ports/log.ts';
import { followJournal } from '../evidence/journal/follow.ts';
import { repeatedHeader } from '../http/repeated-header.ts';
import { createConsoleMeter } from '../metrics/console-meter.ts';
import type { ConsoleSettings, ProxySettings, TlsPaths } from '../settings/settings.ts';
import { isLoopback } from '../settings/shapes.ts';
import { outboundFetch } from '../upstream/pool.ts';
import { connectionErrors } from './connection-errors.ts';
import { ignoringUpgrades } from './ignored-upgrade.ts';
import { named } from './named-setting.ts';
import { originOf } from './origin.ts';
import { closeServer, listenAs } from './server.ts';
import { usableTls, watchTls } from './tls.ts';
import { withFacts } from './unreachable.ts';
import { version } from './version.ts';

export interface ConsoleServerParts {
  readonly backend: Backend;
  readonly registry: Parameters<typeof createConsoleMeter>[0];
  readonly log: Log;
  readonly policyName: (digest: string) => string | undefined;
}

export interface ConsoleServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Days of the journal that the console shows; a call of which nothing was recorded for so long is over. */
const daysRead = 7;
const dayMs = 86_400_000;
/** Connections beside those of event streams. */
const otherConnections = 500;
const requestMs = 30_000;

/** Certificates are counted where bots use them. */
const uncounted = { certificate: () => undefined, certificateReload: () => undefined };

/** The console on its own listener; undefined: the settings name none. */
export async function startConsoleServer(
  settings: ProxySettings,
  { backend, registry, log, policyName }: ConsoleServerParts,
): Promise<ConsoleServer | undefined> {
  const { console: given, limits, evidenceDir } = settings;
  if (given === undefined) return undefined;
  const tls = isLoopback(given.host) ? undefined : settings.tls;
  const outbound = outboundFetch();
  const setting = 'TALLYLIGHT_CONSOLE_ISSUERS';
  const verifier =
    given.issuers.length === 0
      ? undefined
      : named(setting, () =>
          createOperatorVerifier(given.issuers, { fetch: outbound.fetch, log: withFacts(log, { setting }) }),
        );
  verifier?.prefetch();
  const served = startConsole({
    place: { hosts: hostsOf(given), tls: tls !== undefined },
    unfit: repeatedHeader,
    ...{ verifier, backend, policyName, log },
    follow: (listener) =>
      followJournal({
        ...{ directory: evidenceDir, listener, log },
        since: new Date(Date.now() - daysRead * dayMs),
      }),
    maxListeners: limits.maxConsoleListeners,
    meter: createConsoleMeter(registry),
    version: version(),
  });
  const server = listenerFor(served, tls, limits);
  const unwatch = tls === undefined ? () => undefined : watchTls(server, tls, { log, meter: uncounted });
  const close = async (): Promise<void> => {
    unwatch();
    const closing = closeServer(server, 1000);
    await served.close();
    await closing;
    verifier?.close();
    await outbound.close();
  };
  try {
    const address = await listenAs('TALLYLIGHT_CONSOLE_PORT', server, given);
    return { url: originOf(tls === undefined ? 'http' : 'https', address), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Names by which a browser may reach the listener, as they stand in a Host header field. */
function hostsOf({ host, hosts }: ConsoleSettings): string[] {
  const own = isLoopback(host) ? [host, 'localhost', '127.0.0.1', '::1'] : [host];
  return [...own, ...hosts].map((name) => (name.includes(':') ? `[${name}]` : name).toLowerCase());
}

function listenerFor(
  { serve }: Console,
  tls: TlsPaths | undefined,
  { maxConsoleListeners, maxHeaderBytes, headersTimeoutMs }: ProxySettings['limits'],
): http.Server {
  const options = { maxHeaderSize: maxHeaderBytes };
  const server =
    tls === undefined ? http.createServer(options) : https.createServer({ ...options, ...usableTls(tls) });
  server.headersTimeout = headersTimeoutMs;
  server.requestTimeout = Math.max(requestMs, headersTimeoutMs);
  server.maxConnections = maxConsoleListeners + otherConnections;
  const serveWithoutUpgrade = ignoringUpgrades(server);
  const { unanswered } = connectionErrors(server);
  server.on('upgrade', (req, socket: Socket, head) =>
    serveWithoutUpgrade(req, socket, head, unanswered(socket)),
  );
  server.on('request', serve);
  return server;
}
