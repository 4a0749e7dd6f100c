import { z } from 'zod';
import { consoleSettings } from './console.ts';
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
  /** Its values may hold names in braces, which are not left over from an example. */
  readonly braces?: true;
  /** The only mode that it has a meaning in. */
  readonly only?: 'proxy' | 'sandbox';
  /** Its value may also be in a file, which the setting of this name with `_FILE` behind it names. */
  readonly secret?: true;
}

/** Every setting. The reference in docs/ is generated from it. */
export const settings = {
  config: {
    name: 'TALLYLIGHT_CONFIG',
    default: '',
    description:
      'Path of a YAML file with settings, under these same names. A setting given in both the file and the environment must have the same value in both.',
    schema: text,
  },
  host: {
    name: 'TALLYLIGHT_HOST',
    default: '127.0.0.1',
    description:
      'Address to listen on. An address other than loopback needs the TLS files, or an https `TALLYLIGHT_PUBLIC_URL`.',
    schema: host,
  },
  port: {
    name: 'TALLYLIGHT_PORT',
    default: '8080',
    description: 'Port for bots and uploaders; 0: any free port.',
    schema: wholeNumber(0, 65_535),
  },
  adminPort: {
    name: 'TALLYLIGHT_ADMIN_PORT',
    default: '9090',
    description: 'Port for health checks and metrics, always plain http; 0: any free port.',
    schema: wholeNumber(0, 65_535),
  },
  ...consoleSettings,
  workers: {
    name: 'TALLYLIGHT_WORKERS',
    default: '1',
    description:
      'Number of worker processes that serve the port: 1 to 256, or `auto` for one per processor. Values other than 1 need `TALLYLIGHT_REDIS_URL`. Each worker is an instance with its own limits.',
    schema: workerCount,
    only: 'proxy',
  },
  workerLeaveMs: {
    name: 'TALLYLIGHT_WORKER_LEAVE_MS',
    default: '300000',
    description:
      'How long a replaced worker may continue requests that it has begun, ms (0 to 86400000). Then it drains like any instance that shuts down and aborts the rest.',
    schema: wholeNumber(0, 86_400_000),
    only: 'proxy',
  },
  shutdownDelayMs: {
    name: 'TALLYLIGHT_SHUTDOWN_DELAY_MS',
    default: '0',
    description:
      'How long the instance keeps serving after SIGTERM or SIGINT, ms (0 to 600000). `/readyz` answers 503 from the signal on, so that load balancers stop sending traffic before the port closes. A second signal ends the delay.',
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
      'Origin at which bots reach the proxy; default: derived from the listener. An https origin declares that TLS is terminated in front of the proxy.',
    schema: origin,
  },
  trustedProxies: {
    name: 'TALLYLIGHT_TRUSTED_PROXIES',
    default: '',
    description:
      'Addresses and networks of the reverse proxies in front, such as `10.0.0.0/8, fd00::/8`. Only from these the client address is taken from `X-Forwarded-For` or `Forwarded`; otherwise it is the peer address of the connection.',
    schema: networks,
    structured: true,
    only: 'proxy',
  },
  requestStartHeader: {
    name: 'TALLYLIGHT_REQUEST_START_HEADER',
    default: '',
    description:
      'Header field in which the reverse proxies in front report the start time of a request, such as `X-Request-Start`. If set, a media write is admitted only if it comes through one of `TALLYLIGHT_TRUSTED_PROXIES` and began after recording was confirmed; see docs/operate/edges.md.',
    schema: headerName,
    only: 'proxy',
  },
  requestStartUnit: {
    name: 'TALLYLIGHT_REQUEST_START_UNIT',
    default: 'ms',
    description:
      'Unit of the time in that header field (Unix time): `s`, `ms` or `us`. The value may have a fraction and the prefix `t=`.',
    schema: z.enum(Object.keys(startUnits) as StartUnit[]),
    only: 'proxy',
  },
  requestStartToleranceMs: {
    name: 'TALLYLIGHT_REQUEST_START_TOLERANCE_MS',
    default: '100',
    description:
      'Tolerated difference between the clocks of those proxies and of this machine, ms (1 to 60000). Writes that began within this time after the confirmation, or whose time is further in the future, are refused.',
    schema: wholeNumber(1, 60_000),
    only: 'proxy',
  },
  graphUrl: {
    name: 'TALLYLIGHT_GRAPH_URL',
    default: '',
    description:
      'Origin of Microsoft Graph, such as https://graph.microsoft.com. If absent, the sandbox starts: everything on loopback, with a fake Graph.',
    schema: graphOrigin,
    only: 'proxy',
  },
  graphTimeoutMs: {
    name: 'TALLYLIGHT_GRAPH_TIMEOUT_MS',
    default: '10000',
    description: 'Timeout of a request to Graph, ms (100 to 60000).',
    schema: wholeNumber(100, 60_000),
  },
  graphCredential: {
    name: 'TALLYLIGHT_GRAPH_CREDENTIAL',
    default: '',
    description:
      'Client credentials with which the proxy obtains Graph access tokens: an object or a list of `{ tenant or tokenEndpoint, clientId, one of clientSecret, clientSecretFile, privateKeyFile, federatedTokenFile; certificateFile, keyId, algorithm, scope, tenants, apps }`. With none of the four, the federated token file that `AZURE_FEDERATED_TOKEN_FILE` names is used. The first entry that matches a caller is used; `apps` lists application ids, or `<tenant>/<app>`. Required with `jwt`.',
    schema: z.array(graphCredential).min(1),
    structured: true,
    orOne: true,
    only: 'proxy',
    secret: true,
  },
  controlAuth: {
    name: 'TALLYLIGHT_CONTROL_AUTH',
    default: '',
    description:
      'How bots authenticate: `jwt`: with a token for the proxy, which uses its own Graph credential; `graph`: with their Graph token, which is forwarded. No default.',
    schema: z.enum(['jwt', 'graph']),
    only: 'proxy',
  },
  opaqueGraphTokens: {
    name: 'TALLYLIGHT_OPAQUE_GRAPH_TOKENS',
    default: 'refuse',
    description:
      'With `graph`: whether Graph tokens without a readable tenant and application are refused (`refuse`) or accepted without binding the call to a caller (`allow`).',
    schema: z.enum(['refuse', 'allow']),
    only: 'proxy',
  },
  issuers: {
    name: 'TALLYLIGHT_ISSUERS',
    default: '',
    description:
      'Accepted issuers of tokens: a list of `{ issuer, audience, jwksUri, tenants, apps, roles, algorithms }`. Required with `jwt` and with media routes.',
    schema: z.array(issuer).min(1),
    structured: true,
    only: 'proxy',
  },
  revokedTokensFile: {
    name: 'TALLYLIGHT_REVOKED_TOKENS_FILE',
    default: '',
    description:
      'YAML or JSON file with a list of revoked tokens of `TALLYLIGHT_ISSUERS`: entries `{ hash }`, `{ jti }`, `{ uti }` or `{ issuedBefore; issuer, tenant, app, subject }`. It is read again every second; see docs/operate/revoked-tokens.md.',
    schema: text,
    only: 'proxy',
  },
  mediaRoutes: {
    name: 'TALLYLIGHT_MEDIA_ROUTES',
    default: '',
    description:
      'Routes to media handlers: a list of `{ path, upstream, methods, reads, websocket, discard, encodedSlash, token, host, callId }`, such as `{ "path": "/media/{callId}/*", "upstream": "http://store:9000" }`.',
    schema: mediaRoutes,
    structured: true,
    braces: true,
    only: 'proxy',
  },
  callbacks: {
    name: 'TALLYLIGHT_CALLBACKS',
    default: '',
    description:
      'Routes for notifications from Graph to bots: a list of `{ path, upstream }`, such as `{ "path": "/{pod}/api/calling/*", "upstream": "http://bot:9441" }`. Requires `TALLYLIGHT_NOTIFICATION_ISSUERS`.',
    schema: callbacks,
    structured: true,
    braces: true,
    only: 'proxy',
  },
  callbackUrl: {
    name: 'TALLYLIGHT_CALLBACK_URL',
    default: '',
    description: 'Origin at which Graph reaches the proxy; default: `TALLYLIGHT_PUBLIC_URL`.',
    schema: origin,
    only: 'proxy',
  },
  notificationIssuers: {
    name: 'TALLYLIGHT_NOTIFICATION_ISSUERS',
    default: '',
    description:
      'Accepted issuers of notification tokens: a list of `{ issuer, audience, jwksUri or metadataUri, tenants, apps, algorithms }`, where `audience` is the application id of a bot or a list of such ids. Required with `TALLYLIGHT_CALLBACKS`.',
    schema: z.array(notificationIssuer).min(1),
    structured: true,
    only: 'proxy',
  },
  ...storeSettings,
  ...limitSettings,
  logLevel: {
    name: 'TALLYLIGHT_LOG_LEVEL',
    default: 'info',
    description: 'Lowest level that is logged: trace, debug, info, warn, error, fatal or silent.',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  },
  accessLog: {
    name: 'TALLYLIGHT_ACCESS_LOG',
    default: 'off',
    description:
      '`on`: one log line of the level info for each request, with its action or route, its status and its ids; see docs/operate/log.md. Otherwise `off`.',
    schema: z.enum(['on', 'off']),
  },
  sandboxDir: {
    name: 'TALLYLIGHT_SANDBOX_DIR',
    default: '',
    description:
      'Directory in which the sandbox stores evidence and media; default: `.tallylight` in the working directory.',
    schema: text,
    only: 'sandbox',
  },
  sandboxBot: {
    name: 'TALLYLIGHT_SANDBOX_BOT',
    default: '',
    description:
      'Notification endpoint of your own bot on this machine, such as `http://127.0.0.1:9441/api/calling`. It replaces the bot of the sandbox.',
    schema: sandboxBot,
    braces: true,
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
