import { z } from 'zod';
import { graphCredential } from './credential.ts';
import { startUnits, type StartUnit } from '../core/http/request-start.ts';
import { limitSettings } from './limits.ts';
import { callbacks, mediaRoutes, sandboxBot } from './routes.ts';
import {
  graphOrigin,
  headerName,
  host,
  issuer,
  networks,
  notificationIssuer,
  origin,
  text,
  wholeNumber,
  workerCount,
} from './shapes.ts';
import { storeSettings } from './store.ts';

export interface SettingRow {
  readonly name: `TALLYLIGHT_${string}`;
  /** As it would be written; empty: none. */
  readonly default: string;
  readonly description: string;
  readonly schema: z.ZodType;
  /** Written as JSON, or as YAML in the file; absent: a single value. */
  readonly structured?: true;
  /** One entry may be written without the list around it. */
  readonly orOne?: true;
  /** The only mode that it has a meaning in. */
  readonly only?: 'proxy' | 'sandbox';
}

/** Every setting. The README's table is generated from it. */
export const settings = {
  config: {
    name: 'TALLYLIGHT_CONFIG',
    default: '',
    description:
      'A YAML file with settings under these same names. A setting may be in the file and in the environment only with the same value.',
    schema: text,
  },
  host: {
    name: 'TALLYLIGHT_HOST',
    default: '127.0.0.1',
    description:
      'Address to listen on. Other than loopback it needs TLS files, or a `TALLYLIGHT_PUBLIC_URL` that is https.',
    schema: host,
  },
  port: {
    name: 'TALLYLIGHT_PORT',
    default: '8080',
    description: 'Port for bots and uploaders; 0: any free one.',
    schema: wholeNumber(0, 65_535),
  },
  adminPort: {
    name: 'TALLYLIGHT_ADMIN_PORT',
    default: '9090',
    description: 'Port for health checks and metrics, always plain http; 0: any free one.',
    schema: wholeNumber(0, 65_535),
  },
  workers: {
    name: 'TALLYLIGHT_WORKERS',
    default: '1',
    description:
      'How many processes serve the port: 1 to 256, or `auto` for as many as there are processors. More than one, and `auto`, need `TALLYLIGHT_REDIS_URL`; each is an instance of its own, with limits of its own.',
    schema: workerCount,
    only: 'proxy',
  },
  workerLeaveMs: {
    name: 'TALLYLIGHT_WORKER_LEAVE_MS',
    default: '300000',
    description:
      'How long a worker that is replaced may go on with what it had begun, ms (0 to 86400000). Then it drains like any instance that ends, and the rest is cut.',
    schema: wholeNumber(0, 86_400_000),
    only: 'proxy',
  },
  shutdownDelayMs: {
    name: 'TALLYLIGHT_SHUTDOWN_DELAY_MS',
    default: '0',
    description:
      'How long to go on serving after SIGTERM or SIGINT, ms (0 to 600000). `/readyz` answers 503 from the signal on, so that load balancers can send traffic elsewhere before the port closes; a second signal ends the delay.',
    schema: wholeNumber(0, 600_000),
    only: 'proxy',
  },
  tlsCertFile: {
    name: 'TALLYLIGHT_TLS_CERT_FILE',
    default: '',
    description: 'PEM file with the certificate chain. Needs `TALLYLIGHT_TLS_KEY_FILE`.',
    schema: text,
    only: 'proxy',
  },
  tlsKeyFile: {
    name: 'TALLYLIGHT_TLS_KEY_FILE',
    default: '',
    description: 'PEM file with the private key of the certificate. Needs `TALLYLIGHT_TLS_CERT_FILE`.',
    schema: text,
    only: 'proxy',
  },
  publicUrl: {
    name: 'TALLYLIGHT_PUBLIC_URL',
    default: '',
    description:
      'Origin under which bots see the proxy; derived from the listener if absent. An https one declares that TLS ends in front of the proxy.',
    schema: origin,
  },
  trustedProxies: {
    name: 'TALLYLIGHT_TRUSTED_PROXIES',
    default: '',
    description:
      'Addresses and networks of the proxies in front, such as `10.0.0.0/8, fd00::/8`. What they say in `X-Forwarded-For` or `Forwarded` counts as the address of a client; anybody else is known by the address of the connection.',
    schema: networks,
    structured: true,
    only: 'proxy',
  },
  requestStartHeader: {
    name: 'TALLYLIGHT_REQUEST_START_HEADER',
    default: '',
    description:
      'Header in which the proxies in front say when a request began, such as `X-Request-Start`. With it a media write is let in only if it began after recording was confirmed, and came through one of `TALLYLIGHT_TRUSTED_PROXIES`; see docs/operate/edges.md.',
    schema: headerName,
    only: 'proxy',
  },
  requestStartUnit: {
    name: 'TALLYLIGHT_REQUEST_START_UNIT',
    default: 'ms',
    description:
      'The unit of the time in that header, since 1970: `s`, `ms` or `us`; a fraction may follow, and `t=` may stand before.',
    schema: z.enum(Object.keys(startUnits) as StartUnit[]),
    only: 'proxy',
  },
  requestStartToleranceMs: {
    name: 'TALLYLIGHT_REQUEST_START_TOLERANCE_MS',
    default: '100',
    description:
      'By how much the clocks of those proxies may differ from the one of this machine, ms (1 to 60000). What began so shortly after the confirmation, or is stamped further in the future, is refused.',
    schema: wholeNumber(1, 60_000),
    only: 'proxy',
  },
  graphUrl: {
    name: 'TALLYLIGHT_GRAPH_URL',
    default: '',
    description:
      'Origin of Microsoft Graph, such as https://graph.microsoft.com. Without it the sandbox starts: everything on loopback, with a Graph of its own.',
    schema: graphOrigin,
    only: 'proxy',
  },
  graphTimeoutMs: {
    name: 'TALLYLIGHT_GRAPH_TIMEOUT_MS',
    default: '10000',
    description: 'How long an answer of Graph is waited for, ms (100 to 60000).',
    schema: wholeNumber(100, 60_000),
  },
  graphCredential: {
    name: 'TALLYLIGHT_GRAPH_CREDENTIAL',
    default: '',
    description:
      'Clients whose Graph tokens the proxy uses: an object or a list of `{ tenant or tokenEndpoint, clientId, one of clientSecret, clientSecretFile, privateKeyFile; certificateFile, keyId, algorithm, scope, tenants, apps }`. The first that a caller may use counts; `apps` names the applications, by their ids or as `<tenant>/<app>`. Needed with `jwt`.',
    schema: z.array(graphCredential).min(1),
    structured: true,
    orOne: true,
    only: 'proxy',
  },
  controlAuth: {
    name: 'TALLYLIGHT_CONTROL_AUTH',
    default: '',
    description:
      'How bots prove themselves: `jwt`, a token for the proxy, which brings its own Graph credential; or `graph`, the Graph token of the bot, passed on. No default.',
    schema: z.enum(['jwt', 'graph']),
    only: 'proxy',
  },
  opaqueGraphTokens: {
    name: 'TALLYLIGHT_OPAQUE_GRAPH_TOKENS',
    default: 'refuse',
    description:
      'With `graph`: whether Graph tokens that name no tenant and application are refused, or allowed though they bind a call to nobody (`allow`).',
    schema: z.enum(['refuse', 'allow']),
    only: 'proxy',
  },
  issuers: {
    name: 'TALLYLIGHT_ISSUERS',
    default: '',
    description:
      'Whose tokens are accepted: a list of `{ issuer, audience, jwksUri, tenants, apps, roles, algorithms }`. Needed with `jwt`, and for media routes.',
    schema: z.array(issuer).min(1),
    structured: true,
    only: 'proxy',
  },
  mediaRoutes: {
    name: 'TALLYLIGHT_MEDIA_ROUTES',
    default: '',
    description:
      'Routes to media handlers: a list of `{ path, upstream, methods, reads, websocket, discard, encodedSlash, token, host, callId }`, such as `{ "path": "/media/{callId}/*", "upstream": "http://store:9000" }`.',
    schema: mediaRoutes,
    structured: true,
    only: 'proxy',
  },
  callbacks: {
    name: 'TALLYLIGHT_CALLBACKS',
    default: '',
    description:
      'Routes for Graph\'s notifications to bots: a list of `{ path, upstream }`, such as `{ "path": "/{pod}/api/calling/*", "upstream": "http://bot:9441" }`. Needs `TALLYLIGHT_NOTIFICATION_ISSUERS`.',
    schema: callbacks,
    structured: true,
    only: 'proxy',
  },
  callbackUrl: {
    name: 'TALLYLIGHT_CALLBACK_URL',
    default: '',
    description: 'Origin under which Graph sees the proxy; `TALLYLIGHT_PUBLIC_URL` if absent.',
    schema: origin,
    only: 'proxy',
  },
  notificationIssuers: {
    name: 'TALLYLIGHT_NOTIFICATION_ISSUERS',
    default: '',
    description:
      'Whose tokens notifications may bring: a list of `{ issuer, audience, jwksUri or metadataUri, tenants, apps, algorithms }`, where `audience` is the application id of a bot or a list of them. Needed with `TALLYLIGHT_CALLBACKS`.',
    schema: z.array(notificationIssuer).min(1),
    structured: true,
    only: 'proxy',
  },
  ...storeSettings,
  ...limitSettings,
  logLevel: {
    name: 'TALLYLIGHT_LOG_LEVEL',
    default: 'info',
    description: 'The least level that is logged: trace, debug, info, warn, error, fatal or silent.',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  },
  sandboxDir: {
    name: 'TALLYLIGHT_SANDBOX_DIR',
    default: '',
    description:
      'Where the sandbox stores evidence and media; `.tallylight` in the working directory if absent.',
    schema: text,
    only: 'sandbox',
  },
  sandboxBot: {
    name: 'TALLYLIGHT_SANDBOX_BOT',
    default: '',
    description:
      "Where a bot of your own on this machine takes notifications, such as `http://127.0.0.1:9441/api/calling`: it takes the place of the sandbox's bot.",
    schema: sandboxBot,
    only: 'sandbox',
  },
} as const satisfies Record<string, SettingRow>;

export type SettingKey = keyof typeof settings;

type Row<Key extends SettingKey> = (typeof settings)[Key];

/** What was read, by key; what has a default is always there. */
export type SettingValues = {
  readonly [Key in SettingKey]:
    z.output<Row<Key>['schema']> | (Row<Key>['default'] extends '' ? undefined : never);
};
