import { z } from 'zod';
import { graphCredential } from './settings-credential.ts';
import { limitSettings } from './settings-limits.ts';
import { callbacks, mediaRoutes, sandboxBot } from './settings-routes.ts';
import {
  graphOrigin,
  host,
  issuer,
  networks,
  notificationIssuer,
  origin,
  redisUrl,
  text,
  wholeNumber,
  workerCount,
} from './settings-shapes.ts';

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
      'Clients whose Graph tokens the proxy uses: an object or a list of `{ tenant or tokenEndpoint, clientId, one of clientSecret, clientSecretFile, privateKeyFile; certificateFile, keyId, algorithm, scope, tenants, apps }`. The first that a caller may use counts. Needed with `jwt`.',
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
      'Routes to media handlers: a list of `{ path, upstream, methods, reads, websocket, callId }`, such as `{ "path": "/media/{callId}/*", "upstream": "http://store:9000" }`.',
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
  redisUrl: {
    name: 'TALLYLIGHT_REDIS_URL',
    default: '',
    description:
      'The store that instances share. Without it the state of calls is in the process alone, and there can be only one instance.',
    schema: redisUrl,
  },
  redisDurability: {
    name: 'TALLYLIGHT_REDIS_DURABILITY',
    default: 'warn',
    description:
      'What to do when the configuration of Redis cannot keep every promise of the table "What the store promises": say so in the log (`warn`), refuse to start (`require`), or nothing (`ignore`).',
    schema: z.enum(['warn', 'require', 'ignore']),
  },
  redisWaitReplicas: {
    name: 'TALLYLIGHT_REDIS_WAIT_REPLICAS',
    default: '0',
    description:
      'How many replicas must have a change of state before it counts (0 to 5). With fewer the store counts as unavailable.',
    schema: wholeNumber(0, 5),
  },
  evidenceDir: {
    name: 'TALLYLIGHT_EVIDENCE_DIR',
    default: '',
    description: 'Directory of the evidence; must be set, except in the sandbox.',
    schema: text,
  },
  policyDir: {
    name: 'TALLYLIGHT_POLICY_DIR',
    default: '',
    description: "Directory of the policies; the package's own `policies/` if absent.",
    schema: text,
  },
  sessionTtlMs: {
    name: 'TALLYLIGHT_SESSION_TTL_MS',
    default: '5000',
    description:
      'How long an instance may admit media without hearing from the store, ms (300 to 60000). A lost instance delays a stop by this much.',
    schema: wholeNumber(300, 60_000),
  },
  sessionTtlMaxMs: {
    name: 'TALLYLIGHT_SESSION_TTL_MAX_MS',
    default: '',
    description:
      'The largest `TALLYLIGHT_SESSION_TTL_MS` that any instance of the store may have, ms; its own if absent. An instance with a larger one is not let in, and after a loss of data status changes wait for this long at least.',
    schema: wholeNumber(300, 60_000),
  },
  graphTimeoutMaxMs: {
    name: 'TALLYLIGHT_GRAPH_TIMEOUT_MAX_MS',
    default: '',
    description:
      'The largest `TALLYLIGHT_GRAPH_TIMEOUT_MS` that any instance of the store may have, ms; its own if absent. An instance with a larger one is not let in, and after a loss of data status changes wait for three times this at least.',
    schema: wholeNumber(100, 60_000),
  },
  drainMs: {
    name: 'TALLYLIGHT_DRAIN_MS',
    default: '5000',
    description:
      'How long accepted writes may go on after a stop was asked for, ms (0 to 60000), where no policy says otherwise.',
    schema: wholeNumber(0, 60_000),
  },
  callSilenceMs: {
    name: 'TALLYLIGHT_CALL_SILENCE_MS',
    default: '3000000',
    description:
      'How long nothing may be heard of a call (no keepAlive, no notification, no media) before it is ended, ms (1000 to 86400000), after asking Graph where there is a credential.',
    schema: wholeNumber(1000, 86_400_000),
  },
  witnessGraceMs: {
    name: 'TALLYLIGHT_WITNESS_GRACE_MS',
    default: '30000',
    description:
      'How long the roster may lag behind a confirmed start or stop before it counts as a contradiction, ms (0 to 3600000).',
    schema: wholeNumber(0, 3_600_000),
  },
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
