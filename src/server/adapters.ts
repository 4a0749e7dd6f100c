import { createGraphCredentials, type GraphCredentials } from '../auth/graph-credential.ts';
import { createNotificationVerifier } from '../auth/notifications.ts';
import { readOperatorIssuer } from '../auth/operator-issuers.ts';
import { createVerifier } from '../auth/verify.ts';
import { matchCallback } from '../core/http/callback-route.ts';
import type { CallbackPlace } from '../core/http/callback-uri.ts';
import { parseRequestTarget } from '../core/http/request-target.ts';
import type { Log } from '../core/ports/log.ts';
import { systemClock } from '../http/clock.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { StageDeps } from '../http/ports.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { connectBot } from '../upstream/bot.ts';
import { connectGraph } from '../upstream/graph.ts';
import { connectMedia } from '../upstream/media.ts';
import { outboundFetch } from '../upstream/pool.ts';
import { named } from './named-setting.ts';
import { watchRevocations, type WatchedRevocations } from './revoked-tokens.ts';
import type { Planes } from './server.ts';
import { about, unreachable } from './unreachable.ts';

/** How bots prove themselves; a credential of our own needs no request to find it. */
type ProxyAuth =
  | (Extract<Planes['control']['auth'], { mode: 'jwt' }> & {
      readonly credentials: GraphCredentials;
    })
  | Extract<Planes['control']['auth'], { mode: 'graph' }>;

type AuthMeter = Pick<Meter, 'keySetFetch' | 'graphCredentialRequest'>;

type Fetch = ReturnType<typeof outboundFetch>['fetch'];

/** The gate's own requests to Graph, about idle calls, take no part of a caller's share. */
const ownGraphConnections = 64;

/** Who is asked, and whom the proxy stands in front of. */
export interface Adapters {
  readonly auth: ProxyAuth;
  readonly graph: ReturnType<typeof connectGraph>;
  /** Why tokens of callers or notifications cannot be verified yet. */
  missingKeys(): string | undefined;
  /** Why Graph cannot be asked with a credential of our own yet. */
  missingCredential(): string | undefined;
  /** Everything that is served, on these stages. */
  planes(stages: StageDeps): Planes;
  close(): Promise<void>;
}

interface Authentication {
  readonly auth: ProxyAuth;
  readonly verifier: ReturnType<typeof createVerifier>;
  readonly notifications: ReturnType<typeof createNotificationVerifier>;
  readonly revocations: WatchedRevocations | undefined;
}

/** Asks nobody yet. Throws `ConfigurationInvalid`, with the name of the setting. */
function authenticationOf(
  settings: ProxySettings,
  parts: { readonly fetch: Fetch; readonly log: Log; readonly meter?: AuthMeter },
): Authentication {
  const of = (setting: string): typeof parts => ({ ...parts, log: about(parts.log, { setting }) });
  const { revokedTokensFile: list } = settings;
  const revocations =
    list === undefined
      ? undefined
      : named('TALLYLIGHT_REVOKED_TOKENS_FILE', () => watchRevocations(list, parts.log));
  const verifier = named('TALLYLIGHT_ISSUERS', () =>
    createVerifier(settings.issuers, { ...of('TALLYLIGHT_ISSUERS'), revocations }),
  );
  const notifications = named('TALLYLIGHT_NOTIFICATION_ISSUERS', () =>
    createNotificationVerifier(settings.notificationIssuers, of('TALLYLIGHT_NOTIFICATION_ISSUERS')),
  );
  named('TALLYLIGHT_CONSOLE_ISSUERS', () => settings.console?.issuers.forEach(readOperatorIssuer));
  const auth: ProxyAuth =
    settings.controlAuth === 'jwt'
      ? {
          mode: 'jwt',
          verifier,
          credentials: named('TALLYLIGHT_GRAPH_CREDENTIAL', () =>
            createGraphCredentials(settings.graphCredentials, of('TALLYLIGHT_GRAPH_CREDENTIAL')),
          ),
        }
      : { mode: 'graph', opaqueTokens: settings.opaqueGraphTokens };
  return { auth, verifier, notifications, revocations };
}

/** Whether `connectAdapters` would take the settings. Throws as it does. */
export async function checkAdapters(settings: ProxySettings, log: Log): Promise<void> {
  const outbound = outboundFetch();
  try {
    const { verifier, notifications, revocations } = authenticationOf(settings, {
      fetch: outbound.fetch,
      log,
    });
    verifier.close();
    notifications.close();
    revocations?.close();
  } finally {
    await outbound.close();
  }
}

/** Connects what the settings name. Throws `ConfigurationInvalid`, with the name of the setting. */
export function connectAdapters(
  settings: ProxySettings,
  {
    log,
    meter,
    publicUrl,
  }: { readonly log: Log; readonly meter: AuthMeter; readonly publicUrl: () => string },
): Adapters {
  const outbound = outboundFetch();
  const { fetch } = outbound;
  const { auth, verifier, notifications, revocations } = authenticationOf(settings, { fetch, log, meter });
  // A bot has seconds to answer an invitation: none of them is for fetching keys or tokens.
  verifier.prefetch();
  notifications.prefetch();
  if (auth.mode === 'jwt') auth.credentials.prefetch();
  const { limits } = settings;
  const failed = (url: string, setting: string): ((error: unknown) => void) =>
    unreachable({ log, clock: systemClock }, { url, setting });
  const graph = connectGraph({
    url: settings.graphUrl,
    publicUrl,
    timeoutMs: settings.graphTimeoutMs,
    // Requests in places of their own have as many again, and some are nobody's.
    connections: 2 * limits.maxGraphConnections + ownGraphConnections,
    connectFailed: failed(settings.graphUrl, 'TALLYLIGHT_GRAPH_URL'),
  });
  // Reads share the connections of uploads.
  const toMedia = { idleMs: limits.mediaIdleMs, connections: limits.maxUploads };
  const handlers = settings.mediaRoutes.map((route) => ({
    ...route,
    handler: connectMedia(
      route.upstream,
      { ...toMedia, connectFailed: failed(route.upstream, 'TALLYLIGHT_MEDIA_ROUTES') },
      route,
    ),
  }));
  const bots = settings.callbacks.map((route) => ({
    ...route,
    bot: connectBot(route.upstream, limits.maxNotifications, failed(route.upstream, 'TALLYLIGHT_CALLBACKS')),
  }));
  const place = callbackPlace(settings, publicUrl);
  return {
    auth,
    graph,
    missingKeys() {
      const issuers = [...verifier.missingKeys(), ...notifications.missingKeys()];
      return issuers.length === 0 ? undefined : `the keys of ${issuers.join(', ')} have not been fetched yet`;
    },
    missingCredential() {
      const missing = auth.mode === 'jwt' ? auth.credentials.missing() : [];
      return missing.length === 0 ? undefined : missing.join(', ');
    },
    planes: (stages) => ({
      control: { ...stages, auth, graph, ...(bots.length === 0 ? {} : { callbacks: place }) },
      ...(handlers.length === 0 ? {} : { media: { ...stages, verifier, revocations, routes: handlers } }),
      ...(bots.length === 0 ? {} : { callbacks: { ...stages, verifier: notifications, routes: bots } }),
    }),
    async close() {
      verifier.close();
      notifications.close();
      revocations?.close();
      if (auth.mode === 'jwt') auth.credentials.close();
      await Promise.all([
        graph.close(),
        outbound.close(),
        ...handlers.map(({ handler }) => handler.close()),
        ...bots.map(({ bot }) => bot.close()),
      ]);
    },
  };
}

/** Where Graph reaches the proxy, and what it finds there. */
const callbackPlace = (
  { callbackUrl, callbacks }: ProxySettings,
  publicUrl: () => string,
): CallbackPlace => ({
  get origin() {
    return callbackUrl ?? publicUrl();
  },
  isCallbackPath(path) {
    const target = parseRequestTarget(path);
    return target.ok && matchCallback(callbacks, target.value) !== undefined;
  },
});
