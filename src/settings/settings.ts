import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { GraphCredentialConfig } from '../auth/graph-credential.ts';
import type { RedisEntraConfig } from '../auth/redis-login.ts';
import type { OperatorIssuerConfig } from '../auth/operator-issuers.ts';
import type { IssuerConfig } from '../auth/issuers.ts';
import type { NotificationIssuerConfig } from '../auth/notification-issuers.ts';
import type { Observation } from '../core/call/observation.ts';
import { Fault } from '../core/errors.ts';
import type { CallbackRoute } from '../core/http/callback-route.ts';
import type { MediaRoute } from '../core/http/media-route.ts';
import type { StartStamp } from '../core/http/request-start.ts';
import { isRecord } from '../core/json.ts';
import { check, type Checked, formatFieldPath, type Issue } from '../policies/document.ts';
import {
  type ReadFile,
  readText,
  resolveCredential,
  resolveRedisEntra,
  type SettingSources,
} from './credential.ts';
import { limitKeys, type LimitValues } from './limits.ts';
import { placeholdersIn } from './placeholders.ts';
import { checkCombinations } from './rules.ts';
import { writable } from './secret-files.ts';
import { collectSettings, type RawSetting } from './source.ts';
import { type SettingKey, type SettingRow, settings, type SettingValues } from './table.ts';

interface CommonSettings {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly adminPort: number;
  /** Where operators look and act; undefined: nowhere. */
  readonly console?: ConsoleSettings | undefined;
  /** Origin; undefined: derived from the listener. */
  readonly publicUrl?: string | undefined;
  readonly graphTimeoutMs: number;
  /** undefined: the store is in the process. */
  readonly redisUrl?: string | undefined;
  readonly redisDurability?: 'warn' | 'require' | 'ignore' | undefined;
  readonly redisWaitReplicas?: number | undefined;
  readonly redisNoEviction?: 'check' | 'vouched' | undefined;
  readonly evidenceDir?: string | undefined;
  /** undefined: the package's own. */
  readonly policyDir?: string | undefined;
  readonly sessionTtlMs: number;
  /** The largest that any instance of the store may have. */
  readonly sessionTtlMaxMs: number;
  readonly graphTimeoutMaxMs: number;
  readonly drainMs: number;
  /** How long a call may be idle before it is ended. */
  readonly callSilenceMs: number;
  /** How long the roster may lag behind a confirmed start or stop. */
  readonly witnessGraceMs: number;
  /** How much an instance takes on. */
  readonly limits: LimitValues;
  readonly logLevel: string;
  /** Whether each request has a log line. */
  readonly accessLog: boolean;
}

export interface ConsoleSettings {
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  /** Further host names by which it may be reached. */
  readonly hosts: readonly string[];
  /** None: whoever reaches it may do everything; it is on loopback then. */
  readonly issuers: readonly OperatorIssuerConfig[];
}

export interface TlsPaths {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface SandboxSettings extends CommonSettings {
  readonly mode: 'sandbox';
  readonly sandboxDir?: string | undefined;
  /** Where a bot takes notifications instead of the sandbox's own. */
  readonly sandboxBot?: string | undefined;
}

/** The processes that serve the port, if they are more than one. */
export interface WorkerSettings {
  readonly count: number;
  /** How long one that is replaced may go on with what it had begun. */
  readonly leaveMs: number;
}

export interface ProxySettings extends CommonSettings {
  readonly mode: 'proxy';
  readonly evidenceDir: string;
  /** Who logs in to Redis; undefined: whom its URL says. */
  readonly redisEntra?: RedisEntraConfig | undefined;
  /** undefined: this process alone. */
  readonly workers?: WorkerSettings | undefined;
  readonly tls?: TlsPaths | undefined;
  /** How long to go on serving after the signal to end. */
  readonly shutdownDelayMs: number;
  /** Whose word about a client's address counts. */
  readonly trustedProxies: readonly string[];
  /** How the proxies in front say when a request began; undefined: that is not asked. */
  readonly requestStart?: (StartStamp & { readonly header: string }) | undefined;
  /** The sink that the store's evidence went to before. */
  readonly evidenceMovedFrom?: string | undefined;
  /** How much evidence may wait to be made durable; undefined: the gate's own bounds. */
  readonly evidenceBacklog?: { readonly seconds?: number; readonly megabytes?: number } | undefined;
  /** What is only observed, and until when; undefined: everything is enforced. */
  readonly observation?: Observation | undefined;
  /** Origin of Graph. */
  readonly graphUrl: string;
  readonly controlAuth: 'jwt' | 'graph';
  readonly opaqueGraphTokens: 'refuse' | 'allow';
  readonly issuers: readonly IssuerConfig[];
  /** List of tokens that are accepted no more; undefined: none. */
  readonly revokedTokensFile?: string | undefined;
  readonly graphCredentials: readonly GraphCredentialConfig[];
  readonly mediaRoutes: readonly MediaRoute[];
  readonly callbacks: readonly CallbackRoute[];
  /** Origin under which Graph sees the proxy; undefined: the one that bots see. */
  readonly callbackUrl?: string | undefined;
  readonly notificationIssuers: readonly NotificationIssuerConfig[];
}

/** The sandbox's peers are on the ports between. */
const sandboxConsoleOffset = 5;

export type Settings = SandboxSettings | ProxySettings;

/** As the README shows them. */
export const settingsTable: readonly {
  readonly name: string;
  readonly default: string;
  readonly description: string;
}[] = writable.map(({ name, default: fallback, description }) => ({
  name,
  default: fallback,
  description,
}));

/**
 * Reads every setting from the environment and the file it names, deeply frozen. Throws `ConfigurationInvalid`,
 * which lists all that is wrong by name, and never shows a value.
 */
export function loadSettings(
  env: NodeJS.ProcessEnv,
  readFile: ReadFile = (path) => readFileSync(path, 'utf8'),
  now = Date.now(),
): Settings {
  const problems: string[] = [];
  const given = collectSettings(env, readFile, problems);
  const values = checkEach(given, problems);
  const clients = readFiles(values, given, { env, readFile }, problems);
  problems.push(...checkCombinations(values, (key) => given.has(settings[key].name), now));
  if (problems.length > 0)
    throw new Fault('ConfigurationInvalid', ['the settings are not valid:', ...problems].join('\n  '), {
      lines: problems,
    });
  return deepFreeze(assemble(values as SettingValues, clients));
}

function checkEach(given: ReadonlyMap<string, RawSetting>, problems: string[]): Partial<SettingValues> {
  const values: Partial<Record<SettingKey, unknown>> = {};
  for (const [key, row] of Object.entries(settings) as [SettingKey, SettingRow][]) {
    const found = given.get(row.name);
    const value = found?.value ?? (row.default === '' ? undefined : row.default);
    if (value === undefined) continue;
    const asked = standsAlone(row, value) ? [value] : value;
    const left = found === undefined ? [] : placeholdersIn(asked, { braces: row.braces !== true });
    problems.push(...left.map((issue) => described(row, found, issue)));
    const checked: Checked<unknown> = check(row.schema, asked);
    if (checked.ok) values[key] = checked.value;
    else {
      // What a placeholder is besides is no news.
      const others = checked.issues.filter(({ path }) => !left.some((issue) => startsWith(issue.path, path)));
      problems.push(...others.map((issue) => described(row, found, issue)));
    }
  }
  return values as Partial<SettingValues>;
}

const startsWith = (path: readonly PropertyKey[], start: readonly PropertyKey[]): boolean =>
  start.every((step, index) => path[index] === step);

const standsAlone = ({ orOne }: SettingRow, value: unknown): boolean => orOne === true && isRecord(value);

function described(row: SettingRow, given: RawSetting | undefined, { path, text }: Issue): string {
  const written = standsAlone(row, given?.value) ? path.slice(1) : path;
  const place = formatFieldPath(written);
  const dot = place === '' || place.startsWith('[') ? '' : '.';
  return `${given?.at(written) ?? ''}${row.name}${dot}${place} ${text}`;
}

/** The clients of Entra that the process is, with what their files hold. */
type Clients = Pick<ProxySettings, 'graphCredentials' | 'redisEntra'>;

/** Files are read once at the start, so that a missing one is found then. */
function readFiles(
  values: Partial<SettingValues>,
  given: ReadonlyMap<string, RawSetting>,
  surroundings: SettingSources,
  problems: string[],
): Clients {
  const report = (row: SettingRow, issue: Issue): void =>
    void problems.push(described(row, given.get(row.name), issue));
  for (const key of ['tlsCertFile', 'tlsKeyFile', 'revokedTokensFile'] as const) {
    const path = values[key];
    const read = path === undefined ? undefined : readText(path, surroundings.readFile);
    if (read !== undefined && 'wrong' in read) report(settings[key], { path: [], text: read.wrong });
  }
  const resolving = <T>(row: SettingRow, at: readonly number[], resolve: (issues: Issue[]) => T): T => {
    const issues: Issue[] = [];
    const resolved = resolve(issues);
    for (const { path, text } of issues) report(row, { path: [...at, ...path], text });
    return resolved;
  };
  const { graphCredential = [], redisEntra } = values;
  return {
    graphCredentials: graphCredential.map((credential, index) =>
      resolving(settings.graphCredential, [index], (issues) =>
        resolveCredential(credential, surroundings, issues),
      ),
    ),
    ...(redisEntra === undefined
      ? {}
      : {
          redisEntra: resolving(settings.redisEntra, [], (issues) =>
            resolveRedisEntra(redisEntra, surroundings, issues),
          ),
        }),
  };
}

function assemble(values: SettingValues, { graphCredentials, redisEntra }: Clients): Settings {
  const { host, port, adminPort, publicUrl, graphTimeoutMs, redisUrl, policyDir } = values;
  const { sessionTtlMs, drainMs, logLevel, evidenceDir, sandboxDir, sandboxBot, tlsCertFile, tlsKeyFile } =
    values;
  const { graphUrl, controlAuth, opaqueGraphTokens, issuers = [], mediaRoutes = [] } = values;
  const {
    trustedProxies = [],
    requestStartHeader,
    callbacks = [],
    callbackUrl,
    notificationIssuers = [],
    callSilenceMs,
    witnessGraceMs,
    evidenceMovedFrom,
    evidenceBacklog,
    observeUntil,
    observeTenants,
    revokedTokensFile,
  } = values;
  const { sessionTtlMaxMs = sessionTtlMs, graphTimeoutMaxMs = graphTimeoutMs } = values;
  const largest = { sessionTtlMaxMs, graphTimeoutMaxMs };
  const times = { graphTimeoutMs, sessionTtlMs, ...largest, drainMs, callSilenceMs, witnessGraceMs };
  const limits = Object.fromEntries(limitKeys.map((key) => [key, values[key]])) as LimitValues;
  const { redisDurability, redisWaitReplicas, redisNoEviction } = values;
  const redis =
    redisUrl === undefined ? {} : { redisUrl, redisDurability, redisWaitReplicas, redisNoEviction };
  const logged = { logLevel, accessLog: values.accessLog === 'on' };
  const common = {
    host,
    port,
    adminPort,
    console: consoleOf(values),
    publicUrl,
    ...times,
    limits,
    ...redis,
    policyDir,
    ...logged,
  };
  if (graphUrl === undefined) return { mode: 'sandbox', ...common, evidenceDir, sandboxDir, sandboxBot };
  const count = values.workers === 'auto' ? availableParallelism() : values.workers;
  if (controlAuth === undefined || evidenceDir === undefined)
    throw new Fault('Internal', 'settings were assembled before they were validated');
  return {
    mode: 'proxy',
    ...common,
    evidenceDir,
    ...(count === 1 ? {} : { workers: { count, leaveMs: values.workerLeaveMs } }),
    ...(tlsCertFile === undefined || tlsKeyFile === undefined
      ? {}
      : { tls: { certFile: tlsCertFile, keyFile: tlsKeyFile } }),
    shutdownDelayMs: values.shutdownDelayMs,
    trustedProxies,
    ...(requestStartHeader === undefined
      ? {}
      : {
          requestStart: {
            header: requestStartHeader,
            unit: values.requestStartUnit,
            toleranceMs: values.requestStartToleranceMs,
          },
        }),
    evidenceMovedFrom,
    evidenceBacklog,
    ...(observeUntil === undefined || observeTenants === undefined
      ? {}
      : { observation: { until: observeUntil, tenants: observeTenants } }),
    graphUrl,
    controlAuth,
    opaqueGraphTokens,
    issuers,
    revokedTokensFile,
    graphCredentials,
    redisEntra,
    mediaRoutes,
    callbacks,
    callbackUrl,
    notificationIssuers,
  };
}

function consoleOf({
  graphUrl,
  port,
  consolePort,
  consoleHost,
  consoleHosts,
  consoleIssuers,
}: SettingValues): ConsoleSettings | undefined {
  const besidePeers = port === 0 ? 0 : port + sandboxConsoleOffset;
  const given = consolePort ?? (graphUrl === undefined ? besidePeers : undefined);
  if (given === undefined) return undefined;
  return { port: given, host: consoleHost, hosts: consoleHosts ?? [], issuers: consoleIssuers ?? [] };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
