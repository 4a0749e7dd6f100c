import { entraIssuer } from '../auth/entra-versions.ts';
import { cloudOfGraph, cloudOfSignIn } from './clouds.ts';
import type { ProxySettings } from './settings.ts';
import { isLoopback } from './shapes.ts';

/** Something that may be meant, and more often is a mistake. */
export interface Doubt {
  readonly setting: string;
  /** What is so, and what it leads to. */
  readonly text: string;
  readonly cure: string;
}

/** What is doubtful about settings that are valid, as far as they alone tell. Shows no secret. */
export const doubtsOf = (settings: ProxySettings): readonly Doubt[] => [
  ...seconds(settings),
  ...silence(settings),
  ...addresses(settings),
  ...clouds(settings),
  ...issuers(settings),
  ...operators(settings),
  ...unused(settings),
];

const shortest: readonly (readonly [name: string, ms: (settings: ProxySettings) => number, least: number])[] =
  [
    ['TALLYLIGHT_DRAIN_MS', ({ drainMs }) => drainMs, 61],
    ['TALLYLIGHT_GRAPH_TIMEOUT_MS', ({ graphTimeoutMs }) => graphTimeoutMs, 500],
    ['TALLYLIGHT_SHUTDOWN_DELAY_MS', ({ shutdownDelayMs }) => shutdownDelayMs, 601],
    ['TALLYLIGHT_CALL_SILENCE_MS', ({ callSilenceMs }) => callSilenceMs, 60_000],
    ['TALLYLIGHT_WITNESS_GRACE_MS', ({ witnessGraceMs }) => witnessGraceMs, 601],
    ['TALLYLIGHT_MEDIA_IDLE_MS', ({ limits }) => limits.mediaIdleMs, 1000],
    ['TALLYLIGHT_BODY_TIMEOUT_MS', ({ limits }) => limits.bodyTimeoutMs, 500],
    ['TALLYLIGHT_HEADERS_TIMEOUT_MS', ({ limits }) => limits.headersTimeoutMs, 500],
    ['TALLYLIGHT_ANSWER_TIMEOUT_MS', ({ limits }) => limits.answerTimeoutMs, 500],
  ];

/** Zero is meant. */
function* seconds(settings: ProxySettings): Iterable<Doubt> {
  for (const [setting, msOf, least] of shortest) {
    const ms = msOf(settings);
    if (ms > 0 && ms < least)
      yield {
        setting,
        text: `is ${ms} milliseconds, which is very short; it looks like a number of seconds`,
        cure: `If ${ms} seconds are meant, set ${ms * 1000}`,
      };
  }
}

/** Bots keep calls alive every 15 to 45 minutes. */
const longestQuietMs = 45 * 60_000;

function* silence({ controlAuth, callSilenceMs }: ProxySettings): Iterable<Doubt> {
  if (controlAuth === 'graph' && callSilenceMs >= 60_000 && callSilenceMs < longestQuietMs)
    yield {
      setting: 'TALLYLIGHT_CALL_SILENCE_MS',
      text: 'is shorter than the 45 minutes within which a bot must send keepAlive, so healthy calls may be ended',
      cure: `Set at least ${longestQuietMs}`,
    };
}

function* addresses(settings: ProxySettings): Iterable<Doubt> {
  const { publicUrl, callbackUrl, callbacks, tls, graphUrl, host, mediaRoutes } = settings;
  const isLocal = (url: string): boolean => isLoopback(new URL(url).hostname);
  const isPlain = (url: string): boolean => url.startsWith('http:');
  if (tls !== undefined && publicUrl !== undefined && isPlain(publicUrl))
    yield {
      setting: 'TALLYLIGHT_PUBLIC_URL',
      text: 'begins with http, but the listener speaks TLS: bots that use this URL are not understood',
      cure: 'Write https',
    };
  else if (publicUrl !== undefined && isPlain(publicUrl) && !isLocal(publicUrl))
    yield {
      setting: 'TALLYLIGHT_PUBLIC_URL',
      text: 'begins with http, so bots send their tokens without TLS',
      cure: 'Write the https origin at which TLS is terminated',
    };
  const seenByGraph = callbackUrl ?? publicUrl;
  const setting = callbackUrl === undefined ? 'TALLYLIGHT_PUBLIC_URL' : 'TALLYLIGHT_CALLBACK_URL';
  if (callbacks.length > 0 && !isLocal(graphUrl)) {
    if (seenByGraph === undefined ? isLoopback(host) : isLocal(seenByGraph))
      yield {
        setting,
        text: 'is an address of this machine alone, so no notification of Graph arrives',
        cure: 'Set TALLYLIGHT_CALLBACK_URL to the https origin at which Graph reaches the proxy',
      };
    else if (seenByGraph !== undefined && isPlain(seenByGraph) && callbackUrl !== undefined)
      yield {
        setting,
        text: 'begins with http, but Graph sends notifications to https only',
        cure: 'Write the https origin at which Graph reaches the proxy',
      };
  }
  for (const [name, routes] of [
    ['TALLYLIGHT_MEDIA_ROUTES', mediaRoutes],
    ['TALLYLIGHT_CALLBACKS', callbacks],
  ] as const)
    for (const [index, { upstream }] of routes.entries())
      if (publicUrl !== undefined && new URL(upstream).origin === publicUrl)
        yield {
          setting: `${name}[${index}].upstream`,
          text: 'is at the public URL of the proxy, so that its requests may come back to the proxy',
          cure: 'Write the internal address of the handler',
        };
}

const usualScope = 'https://graph.microsoft.com/.default';

function* clouds({ graphUrl, graphCredentials, controlAuth }: ProxySettings): Iterable<Doubt> {
  const host = new URL(graphUrl).hostname;
  const cloud = cloudOfGraph(host);
  if (cloud === undefined && !isLoopback(host))
    yield {
      setting: 'TALLYLIGHT_GRAPH_URL',
      text: `names ${host}, which is not Graph in a cloud of Microsoft`,
      cure: 'Write https://graph.microsoft.com, or the host of your national cloud',
    };
  if (cloud === undefined || controlAuth !== 'jwt') return;
  for (const [index, { tokenEndpoint, scope = usualScope }] of graphCredentials.entries()) {
    const at = `TALLYLIGHT_GRAPH_CREDENTIAL[${index}]`;
    const signIn = cloudOfSignIn(new URL(tokenEndpoint).hostname);
    if (signIn !== undefined && signIn !== cloud)
      yield {
        setting: `${at}.tokenEndpoint`,
        text: `is in another cloud than TALLYLIGHT_GRAPH_URL (${host}), so Graph refuses its tokens`,
        cure: `Use the token endpoint of the tenant at ${cloud.signIn.join(' or ')}`,
      };
    if (!scope.includes(`//${host}/`))
      yield {
        setting: `${at}.scope`,
        text: `asks for tokens for another server than TALLYLIGHT_GRAPH_URL (${host}), so Graph refuses them`,
        cure: `Write "scope": "https://${host}/.default"`,
      };
  }
}

/** The tenant in the path of a key server of Entra. */
const tenantOfKeys = (uri: string): string | undefined =>
  /^https:\/\/login\.[^/]+\/([0-9a-f-]{36})\/discovery\//i.exec(uri)?.[1]?.toLowerCase();

function* issuers({ issuers: list }: ProxySettings): Iterable<Doubt> {
  for (const [index, { issuer, audience, jwksUri }] of list.entries()) {
    const entra = entraIssuer(issuer);
    if (entra === undefined) continue;
    const at = `TALLYLIGHT_ISSUERS[${index}]`;
    const tenant = tenantOfKeys(jwksUri);
    if (tenant !== undefined && tenant !== entra.tenant)
      yield {
        setting: `${at}.jwksUri`,
        text: 'is of another tenant than the issuer',
        cure: 'Write the id of the tenant in both',
      };
    if (entra.version === '2.0' && [audience].flat().every((each) => /^[a-z]+:\/\//i.test(each)))
      yield {
        setting: `${at}.audience`,
        text: 'is an application ID URI, but tokens of version 2.0 have the client id of the application as their audience',
        cure: 'Write the client id of the proxy, or the issuer of version 1.0 (docs/operate/entra.md)',
      };
  }
}

/** Bots and operators are kept apart by the audience of their tokens, and then by their roles. */
function* operators({ console: given, issuers: list }: ProxySettings): Iterable<Doubt> {
  for (const [index, { issuer, audience }] of (given?.issuers ?? []).entries()) {
    const shared = list.some(
      (bots) =>
        bots.issuer === issuer && [bots.audience].flat().some((each) => [audience].flat().includes(each)),
    );
    if (shared)
      yield {
        setting: `TALLYLIGHT_CONSOLE_ISSUERS[${index}].audience`,
        text: 'is also an audience of TALLYLIGHT_ISSUERS, so that only the roles of a token keep bots and operators apart',
        cure: 'Register an application of its own for the console, and write its audience',
      };
  }
}

/** What was set and does nothing, and so is meant otherwise. */
function* unused(settings: ProxySettings): Iterable<Doubt> {
  const { controlAuth, graphCredentials, issuers: list, mediaRoutes, opaqueGraphTokens } = settings;
  const cure = 'Remove it, or set TALLYLIGHT_CONTROL_AUTH to the mode that is meant';
  if (controlAuth === 'graph' && graphCredentials.length > 0)
    yield {
      setting: 'TALLYLIGHT_GRAPH_CREDENTIAL',
      text: 'has no effect with TALLYLIGHT_CONTROL_AUTH=graph, which forwards the tokens of bots',
      cure,
    };
  if (controlAuth === 'graph' && list.length > 0 && mediaRoutes.length === 0)
    yield {
      setting: 'TALLYLIGHT_ISSUERS',
      text: 'has no effect with TALLYLIGHT_CONTROL_AUTH=graph and without TALLYLIGHT_MEDIA_ROUTES',
      cure: 'Set TALLYLIGHT_MEDIA_ROUTES, or remove it',
    };
  if (controlAuth === 'jwt' && opaqueGraphTokens === 'allow')
    yield {
      setting: 'TALLYLIGHT_OPAQUE_GRAPH_TOKENS',
      text: 'has no effect with TALLYLIGHT_CONTROL_AUTH=jwt, which takes no Graph tokens of bots',
      cure,
    };
}
