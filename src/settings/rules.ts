import { maxObservationMs } from '../core/call/observation.ts';
import { sharesPath } from '../core/http/media-route.ts';
import { isLoopback } from './shapes.ts';
import { settings, type SettingKey, type SettingValues } from './table.ts';

/**
 * What is wrong with settings that are each well-formed. `has`: whether it was given, however badly; `now`: ms since the
 * epoch.
 */
export function checkCombinations(
  values: Partial<SettingValues>,
  has: (key: SettingKey) => boolean,
  now: number,
): string[] {
  return [
    ...judgePorts(values),
    ...judgeLargest(values, 'sessionTtlMaxMs', 'sessionTtlMs'),
    ...judgeLargest(values, 'graphTimeoutMaxMs', 'graphTimeoutMs'),
    ...judgeObservation(values, has, now),
    ...(has('graphUrl') ? judgeProxy(values, has) : judgeSandbox(values, has)),
  ];
}

function judgePorts(values: Partial<SettingValues>): string[] {
  const keys = ['port', 'adminPort', 'consolePort'] as const;
  return keys.flatMap((one, index) =>
    keys
      .slice(index + 1)
      .filter((other) => values[one] !== undefined && values[one] !== 0 && values[one] === values[other])
      .map(
        (other) => `${settings[one].name} and ${settings[other].name} are the same: set two different ports`,
      ),
  );
}

/** Whoever reaches a console without issuers may close every gate. */
function judgeConsole({ consoleHost }: Partial<SettingValues>, has: (key: SettingKey) => boolean): string[] {
  const { consolePort: port, consoleHost: address, consoleIssuers: issuers } = settings;
  const aimless = (['consoleHost', 'consoleHosts', 'consoleIssuers'] as const).filter(has);
  if (!has('consolePort'))
    return aimless.length === 0
      ? []
      : [
          `${port.name} is missing: it is required by ${aimless.map((key) => settings[key].name).join(' and ')}`,
        ];
  if (consoleHost === undefined || isLoopback(consoleHost)) return [];
  const missing = [
    ...(has('tlsCertFile') && has('tlsKeyFile')
      ? []
      : [`${settings.tlsCertFile.name} and ${settings.tlsKeyFile.name}`]),
    ...(has('consoleIssuers') ? [] : [issuers.name]),
  ];
  return missing.length === 0
    ? []
    : [
        `${address.name} is not a loopback address, so anybody could act there: set ${missing.join(' and ')}, or leave the console on loopback`,
      ];
}

function judgeLargest(
  values: Partial<SettingValues>,
  largest: 'sessionTtlMaxMs' | 'graphTimeoutMaxMs',
  own: 'sessionTtlMs' | 'graphTimeoutMs',
): string[] {
  const [max, value] = [values[largest], values[own]];
  return max !== undefined && value !== undefined && max < value
    ? [
        `${settings[largest].name} is smaller than ${settings[own].name}: it must be the largest value of any instance`,
      ]
    : [];
}

/** Whoever observes says whom, and for how long. An end that has passed is none of these: it enforces. */
function judgeObservation(
  { observeUntil }: Partial<SettingValues>,
  has: (key: SettingKey) => boolean,
  now: number,
): string[] {
  const { observeUntil: until, observeTenants: tenants } = settings;
  return [
    ...(has('observeUntil') && !has('observeTenants')
      ? [`${tenants.name} is missing: ${until.name} requires the ids of the tenants that are observed`]
      : []),
    ...(has('observeTenants') && !has('observeUntil')
      ? [`${until.name} is missing: it is required by ${tenants.name}`]
      : []),
    ...(observeUntil !== undefined && observeUntil - now > maxObservationMs
      ? [
          `${until.name} is more than 30 days ahead: set an earlier end; it can be extended by a restart when it is near`,
        ]
      : []),
  ];
}

function judgeSandbox({ host }: Partial<SettingValues>, has: (key: SettingKey) => boolean): string[] {
  const misplaced = namesOnlyFor('proxy')
    .filter(has)
    .map((key) => settings[key].name);
  return [
    ...(misplaced.length > 0
      ? [
          `TALLYLIGHT_GRAPH_URL is missing: without it the sandbox would start, which does not use ${misplaced.join(', ')}`,
        ]
      : []),
    ...(host !== undefined && !isLoopback(host)
      ? [
          'TALLYLIGHT_HOST must be a loopback address in the sandbox, because anybody can use the sandbox; to start a proxy, set TALLYLIGHT_GRAPH_URL',
        ]
      : []),
  ];
}

function judgeProxy(values: Partial<SettingValues>, has: (key: SettingKey) => boolean): string[] {
  const problems = namesOnlyFor('sandbox')
    .filter(has)
    .map(
      (key) =>
        `${settings[key].name} is only for the sandbox, which does not start if TALLYLIGHT_GRAPH_URL is set: remove one of the two`,
    );
  const [first, second] = [settings.tlsCertFile.name, settings.tlsKeyFile.name];
  if (has('tlsCertFile') !== has('tlsKeyFile'))
    problems.push(`${has('tlsCertFile') ? second : first} is missing: set both ${first} and ${second}`);
  if (!has('evidenceDir'))
    problems.push('TALLYLIGHT_EVIDENCE_DIR is missing: set the directory to which evidence is written');
  if (!has('controlAuth'))
    problems.push(
      'TALLYLIGHT_CONTROL_AUTH is missing: set "jwt" (bots present a token for the proxy, which uses its own Graph credential) or "graph" (the Graph token of the bot is forwarded)',
    );
  const jwt = values.controlAuth === 'jwt';
  if (!has('issuers') && has('mediaRoutes'))
    problems.push('TALLYLIGHT_ISSUERS is missing: media is never accepted without authentication');
  else if (!has('issuers') && jwt)
    problems.push(
      'TALLYLIGHT_ISSUERS is missing: with TALLYLIGHT_CONTROL_AUTH=jwt the proxy must know the issuers of the tokens of bots',
    );
  else if (!has('issuers') && has('revokedTokensFile'))
    problems.push(
      'TALLYLIGHT_ISSUERS is missing: TALLYLIGHT_REVOKED_TOKENS_FILE is about tokens of these issuers',
    );
  if (!has('graphCredential') && jwt)
    problems.push(
      'TALLYLIGHT_GRAPH_CREDENTIAL is missing: with TALLYLIGHT_CONTROL_AUTH=jwt the proxy needs its own Graph credential',
    );
  if (values.workers !== undefined && values.workers !== 1 && !has('redisUrl'))
    problems.push(
      'TALLYLIGHT_REDIS_URL is missing: TALLYLIGHT_WORKERS other than 1 needs a store that the workers share',
    );
  problems.push(...judgeRedisEntra(values, has), ...judgeRedis(has), ...judgeLoops(values));
  problems.push(...judgeRequestStart(has), ...judgeCallbacks(values, has), ...judgeConsole(values, has));
  const { host, publicUrl } = values;
  const exposed = host !== undefined && !isLoopback(host);
  if (exposed && !has('tlsCertFile') && !has('tlsKeyFile') && publicUrl?.startsWith('https:') !== true)
    problems.push(
      `TALLYLIGHT_HOST is not a loopback address, so tokens would be sent without TLS: set ${first} and ${second}, or, if TLS is terminated in front of the proxy, set TALLYLIGHT_PUBLIC_URL to that https origin`,
    );
  else if (host !== undefined && isWildcard(host) && publicUrl === undefined)
    problems.push(
      'TALLYLIGHT_PUBLIC_URL is missing: TALLYLIGHT_HOST is a wildcard address, so the origin for bots cannot be derived from it',
    );
  return problems;
}

/** A token in the clear, or beside another credential, is nothing that anybody means. */
function judgeRedisEntra({ redisUrl }: Partial<SettingValues>, has: (key: SettingKey) => boolean): string[] {
  const { redisEntra: login, redisUrl: url } = settings;
  if (!has('redisEntra')) return [];
  if (!has('redisUrl')) return [`${url.name} is missing: it is required by ${login.name}`];
  if (redisUrl === undefined) return [];
  return [
    ...(/^rediss(?:\+cluster)?:/.test(redisUrl)
      ? []
      : [
          `${url.name} must begin with rediss:// or rediss+cluster:// with ${login.name}: tokens are only sent over TLS`,
        ]),
    ...(redisUrl.includes('@')
      ? [`${url.name} must not have a user name or a password with ${login.name}, which names the user`]
      : []),
  ];
}

/** Who asks for guarantees of a store must have one. */
function judgeRedis(has: (key: SettingKey) => boolean): string[] {
  const aimless = (['redisDurability', 'redisNoEviction', 'redisWaitReplicas'] as const).filter(has);
  return has('redisUrl') || aimless.length === 0
    ? []
    : [
        `${settings.redisUrl.name} is missing: it is required by ${aimless.map((key) => settings[key].name).join(' and ')}`,
      ];
}

/** A request that comes back to the proxy would go round until every connection is taken. */
function judgeLoops({
  host,
  port,
  publicUrl,
  graphUrl,
  mediaRoutes = [],
  callbacks = [],
}: Partial<SettingValues>): string[] {
  const isOwn = (url: string): boolean => {
    const { hostname, port: given, protocol } = new URL(url);
    const at = given === '' ? (protocol === 'https:' ? 443 : 80) : Number(given);
    return (
      at === port && isLoopback(hostname) && host !== undefined && (isLoopback(host) || isWildcard(host))
    );
  };
  const upstreams = [
    ...mediaRoutes.map(({ upstream }, index) => [
      `${settings.mediaRoutes.name}[${index}].upstream`,
      upstream,
    ]),
    ...callbacks.map(({ upstream }, index) => [`${settings.callbacks.name}[${index}].upstream`, upstream]),
  ] as const;
  return [
    ...(graphUrl !== undefined && (graphUrl === publicUrl || isOwn(graphUrl))
      ? [`${settings.graphUrl.name} is the address of the proxy itself: set the origin of Graph`]
      : []),
    ...upstreams.flatMap(([name = '', upstream = '']) =>
      isOwn(upstream) ? [`${name} is the address of the proxy itself: set the address of the handler`] : [],
    ),
  ];
}

function judgeRequestStart(has: (key: SettingKey) => boolean): string[] {
  const { requestStartHeader: header, trustedProxies: proxies } = settings;
  const aimless = (['requestStartUnit', 'requestStartToleranceMs'] as const).filter(
    (key) => has(key) && !has('requestStartHeader'),
  );
  return [
    ...(has('requestStartHeader') && !has('trustedProxies')
      ? [
          `${proxies.name} is missing: with ${header.name} only writes that come through a trusted proxy are admitted`,
        ]
      : []),
    ...(aimless.length > 0
      ? [
          `${header.name} is missing: it is required by ${aimless.map((key) => settings[key].name).join(' and ')}`,
        ]
      : []),
  ];
}

function judgeCallbacks(
  { callbacks = [], mediaRoutes = [] }: Partial<SettingValues>,
  has: (key: SettingKey) => boolean,
): string[] {
  const { callbacks: paths, notificationIssuers: issuers, mediaRoutes: media } = settings;
  const problems: string[] = [];
  if (has('callbacks') && !has('notificationIssuers'))
    problems.push(`${issuers.name} is missing: notifications are never accepted without authentication`);
  const aimless = (['notificationIssuers', 'callbackUrl'] as const).filter(
    (key) => !has('callbacks') && has(key),
  );
  if (aimless.length > 0)
    problems.push(
      `${paths.name} is missing: it is required by ${aimless.map((key) => settings[key].name).join(' and ')}`,
    );
  for (const [index, { path }] of callbacks.entries()) {
    const shared = mediaRoutes.findIndex((route) => sharesPath(route.path, path));
    if (shared >= 0)
      problems.push(
        `${paths.name}[${index}].path and ${media.name}[${shared}].path can match the same path: begin one of them with a segment that the other cannot match`,
      );
  }
  return problems;
}

const isWildcard = (host: string): boolean => ['0.0.0.0', '::', '[::]'].includes(host);

const namesOnlyFor = (mode: 'proxy' | 'sandbox'): SettingKey[] =>
  (Object.keys(settings) as SettingKey[]).filter((key) => {
    const row = settings[key];
    return 'only' in row && row.only === mode;
  });
