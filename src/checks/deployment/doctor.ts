import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fetch } from '../../auth/fetch.ts';
import { isLoopback } from '../../settings/shapes.ts';
import type { ProxySettings } from '../../settings/settings.ts';
import { outboundFetch } from '../../upstream/pool.ts';
import { checkUse, readSettings } from '../configuration.ts';
import { checkEvidenceInUse } from '../evidence.ts';
import { doubtful, type Finding, right, wrong } from '../finding.ts';
import { checkCredentials, checkKeys } from '../identity.ts';
import { networkTrouble } from '../network.ts';
import { checkGraph } from '../peers.ts';
import { checkRedis } from '../redis.ts';
import { checkAdmin } from './admin.ts';
import { judgeToken, readToken, tokenOption } from './bot-token.ts';
import { checkCallbacks } from './callbacks.ts';
import { compareClocks, type Timekeeper } from './clocks.ts';
import { checkBuffering, checkWay } from './edge.ts';
import { checkOrigin } from './origins.ts';
import { adminUrl, callbackPlace, type Place, publicPlace } from './places.ts';
import { askGraph, askProxy } from './status-change.ts';

export interface DoctorOptions {
  /** File with an access token of a bot. */
  readonly tokenFile?: string | undefined;
}

/** Longer than the time limits of all requests of a part, ms. */
const partMs = 30_000;

/** Looks a running deployment over, with its settings. Opens and changes no gate. */
export async function examineDeployment(
  env: NodeJS.ProcessEnv,
  { tokenFile }: DoctorOptions,
): Promise<readonly Finding[]> {
  const read = readSettings(env);
  if ('findings' in read) return read.findings;
  const { settings } = read;
  if (settings.mode === 'sandbox')
    return [
      wrong(
        'configuration',
        'TALLYLIGHT_GRAPH_URL',
        'is not set, so these are not the settings of a proxy',
        'Run this with the settings of the deployment: its environment, or its file in TALLYLIGHT_CONFIG',
      ),
    ];
  const unusable = await checkUse(settings);
  if (unusable.length > 0) return unusable;
  const bot = tokenFile === undefined ? undefined : await readToken(tokenFile);
  if (bot !== undefined && 'finding' in bot) return [bot.finding];
  const outbound = outboundFetch();
  try {
    return [
      right('settings', 'every setting is valid'),
      ...(await examine(settings, bot?.token, outbound.fetch)),
    ];
  } finally {
    await outbound.close();
  }
}

async function examine(
  settings: ProxySettings,
  token: string | undefined,
  fetch: ReturnType<typeof outboundFetch>['fetch'],
): Promise<readonly Finding[]> {
  // Of nobody's call: Graph makes ids at random as well, so that this one is in use nowhere.
  const call = randomUUID();
  const admin = adminUrl(settings);
  const parts: readonly (readonly [setting: string, run: () => Promise<readonly Finding[]>])[] = [
    ['TALLYLIGHT_ADMIN_PORT', () => checkAdmin(admin, settings)],
    ['TALLYLIGHT_REDIS_URL', () => checkRedis(settings, fetch)],
    ['TALLYLIGHT_EVIDENCE_DIR', () => checkEvidenceInUse(settings)],
    ['TALLYLIGHT_ISSUERS', () => checkKeys(settings, fetch)],
    ['TALLYLIGHT_GRAPH_CREDENTIAL', () => checkCredentials(settings, fetch)],
    ['TALLYLIGHT_GRAPH_URL', () => checkGraph(settings, fetch)],
    ['TALLYLIGHT_GRAPH_CREDENTIAL', () => askGraph(settings, call, fetch)],
    ['TALLYLIGHT_PUBLIC_URL', () => checkPlaces(settings, { token, call, fetch })],
    ['clocks', () => compareClocks(timekeepers(settings, admin))],
  ];
  const found = await Promise.all(parts.map(([setting, run]) => inTime(setting, run)));
  return found.flat();
}

/** Whatever becomes of a part is a finding. */
async function inTime(setting: string, run: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  const end = new AbortController();
  const late = sleep(partMs, undefined, { signal: end.signal }).then(() => [
    wrong(
      'notReady',
      setting,
      `what belongs to it was not looked over within ${partMs / 1000} s`,
      'Find out what does not answer: the network, DNS, or the file system of the evidence',
    ),
  ]);
  try {
    return await Promise.race([run(), late]);
  } catch (error) {
    const { why, cure } = networkTrouble(error);
    return [wrong('notReady', setting, `what belongs to it cannot be looked over: ${why}`, cure)];
  } finally {
    end.abort();
    late.catch(() => undefined);
  }
}

interface Means {
  readonly token: string | undefined;
  readonly call: string;
  readonly fetch: Fetch;
}

/** What bots and Graph find at the origins of the proxy. */
async function checkPlaces(settings: ProxySettings, means: Means): Promise<readonly Finding[]> {
  const forBots = publicPlace(settings);
  const forGraph = callbackPlace(settings);
  const isRemote = !isLoopback(new URL(settings.graphUrl).hostname);
  const isOne = forBots?.url === forGraph?.url;
  const [bots, graph] = await Promise.all([
    forBots === undefined
      ? [unknownPlace, ...(await tokenFindings(settings, means))]
      : visitAsBot(forBots, settings, means, isOne && forGraph !== undefined && isRemote),
    forGraph === undefined || isOne ? [] : visitAsGraph(forGraph, settings, means.call, isRemote),
  ]);
  return [...bots, ...graph];
}

const unknownPlace = doubtful(
  'TALLYLIGHT_PUBLIC_URL',
  'is not set and TALLYLIGHT_PORT is 0, so it is not known where the proxy is reached, and it was not asked',
  'Set the origin at which bots reach the proxy',
);

const tokenFindings = async (
  settings: ProxySettings,
  { token, fetch }: Means,
): Promise<readonly Finding[]> => (token === undefined ? [] : [await judgeToken(token, settings, fetch)]);

async function visitAsBot(
  place: Place,
  settings: ProxySettings,
  means: Means,
  forGraph: boolean,
): Promise<readonly Finding[]> {
  const { call, token } = means;
  const [origin, own] = await Promise.all([checkOrigin(place, { forGraph }), tokenFindings(settings, means)]);
  if (!origin.usable) return [...origin.findings, ...own];
  const way = await checkWay(place, settings, call);
  if (!way.isProxy) return [...origin.findings, ...way.findings, ...own];
  const asked = await Promise.all([
    checkBuffering(place, settings, call),
    callbackPlace(settings)?.url === place.url ? checkCallbacks(place, settings, call) : [],
    askAsBot(place, settings, token, call),
  ]);
  return [...origin.findings, ...way.findings, ...own, ...asked.flat()];
}

async function askAsBot(
  place: Place,
  { controlAuth }: ProxySettings,
  token: string | undefined,
  call: string,
): Promise<readonly Finding[]> {
  if (token !== undefined) return [await askProxy(place, { token, call, controlAuth })];
  return [
    doubtful(
      tokenOption,
      'is not given, so no status change was tried through the proxy',
      'Write an access token of a bot into a file, and name it with --token-file',
    ),
  ];
}

async function visitAsGraph(
  place: Place,
  settings: ProxySettings,
  call: string,
  isRemote: boolean,
): Promise<readonly Finding[]> {
  const origin = await checkOrigin(place, { forGraph: isRemote });
  if (!origin.usable) return origin.findings;
  return [...origin.findings, ...(await checkCallbacks(place, settings, call))];
}

function timekeepers(settings: ProxySettings, admin: string | undefined): readonly Timekeeper[] {
  const { graphUrl, issuers } = settings;
  const place = publicPlace(settings);
  return [
    ...(admin === undefined
      ? []
      : [{ setting: 'TALLYLIGHT_ADMIN_PORT', name: 'the proxy', url: `${admin}/livez` }]),
    ...(place === undefined ? [] : [{ ...place, name: `what answers at ${place.url}` }]),
    { setting: 'TALLYLIGHT_GRAPH_URL', name: 'Graph', url: `${graphUrl}/v1.0/` },
    ...issuers.map(({ jwksUri }, index) => ({
      setting: `TALLYLIGHT_ISSUERS[${index}].jwksUri`,
      name: `the key server ${new URL(jwksUri).host}`,
      url: jwksUri,
    })),
  ];
}
