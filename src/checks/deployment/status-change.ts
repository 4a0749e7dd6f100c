import type { Fetch } from '../../auth/fetch.ts';
import { tokenOf } from '../../auth/inspect.ts';
import type { ReasonCode } from '../../core/reasons.ts';
import type { ProxySettings } from '../../settings/settings.ts';
import { doubtful, type Finding, right, wrong } from '../finding.ts';
import { networkTrouble } from '../network.ts';
import { answererOf, explained } from './answered-by.ts';
import { type Answer, ask, describe } from './ask.ts';
import { tokenOption } from './bot-token.ts';
import { callPath, otherAnswerer } from './edge.ts';
import type { Place } from './places.ts';

const consent =
  'Grant the application permissions Calls.AccessMedia.All and Calls.JoinGroupCall.All with admin consent (docs/operate/entra.md)';

/** What a bot's request for a call that does not exist may be answered instead of 404. */
const cures: Partial<Record<ReasonCode, readonly [setting: string, cure: string]>> = {
  TokenMissing: [
    'TALLYLIGHT_PUBLIC_URL',
    'Let the edge forward Authorization unchanged (docs/operate/edges.md)',
  ],
  TokenInvalid: ['TALLYLIGHT_ISSUERS', 'Compare the token with issuer and audience (docs/operate/entra.md)'],
  TokenExpired: [tokenOption, 'Get a new token'],
  TokenRevoked: ['TALLYLIGHT_REVOKED_TOKENS_FILE', 'Get a new token'],
  TokenNotAllowed: [
    'TALLYLIGHT_ISSUERS',
    'Correct tenants, apps and roles of the issuer (docs/operate/entra.md)',
  ],
  GraphTokenUnreadable: ['TALLYLIGHT_CONTROL_AUTH', 'With graph, bots send their Graph token'],
  PolicyRefused: [
    'TALLYLIGHT_POLICY_DIR',
    'Correct the policy of this application (docs/reference/policies.md)',
  ],
  GraphCredentialMissing: [
    'TALLYLIGHT_GRAPH_CREDENTIAL',
    'Add a credential whose tenants and apps include the tenant and application of the bot',
  ],
  GraphCredentialUnavailable: [
    'TALLYLIGHT_GRAPH_CREDENTIAL',
    'Correct the credential, or make the token endpoint reachable from the proxy',
  ],
  GraphUnreachable: ['TALLYLIGHT_GRAPH_URL', 'Let the proxy reach Graph; its log has the cause'],
  GraphTimeout: ['TALLYLIGHT_GRAPH_URL', 'Let the proxy reach Graph, or raise TALLYLIGHT_GRAPH_TIMEOUT_MS'],
  StoreUnavailable: ['TALLYLIGHT_REDIS_URL', 'Let the proxy reach Redis; its log has the cause'],
  StoreFresh: ['TALLYLIGHT_REDIS_URL', 'Wait; if Redis is not new, find out why it lost its data'],
};

const notFound = (answer: Answer): boolean => {
  const who = answererOf(answer);
  return (
    answer.status === 404 && (who.by === 'graph' || (who.by === 'proxy' && who.reason === 'CallNotFound'))
  );
};

/** Of an answer other than the 404 that it must be; `graphSetting`: what Graph's own refusal has to do with. */
function unexpected(what: string, answer: Answer, graphSetting: string): Finding {
  const who = answererOf(answer);
  const setting = 'TALLYLIGHT_PUBLIC_URL';
  if (who.by === 'graph') return refusedByGraph(what, answer, who.code, graphSetting);
  if (who.by === 'other')
    return wrong(
      'notReady',
      setting,
      `${what} is answered with ${describe(answer)}, which is neither the proxy nor Graph`,
      otherAnswerer,
    );
  const [at, cure] = cures[who.reason] ?? [
    setting,
    'See docs/reference/reasons.md, and the log of the proxy at that time',
  ];
  return wrong(
    'notReady',
    at,
    `${what} is answered with ${explained(who.reason, answer)}, not with 404`,
    cure,
  );
}

function refusedByGraph(what: string, { status }: Answer, code: string, setting: string): Finding {
  const text = `${what} is answered by Graph with ${status} ${code}`;
  if (status === 401)
    return wrong(
      'notReady',
      setting,
      `${text}: Graph does not accept the token`,
      'Check that the scope is that of this Graph, and that the token is of the tenant of the calls',
    );
  if (status === 403)
    return wrong('notReady', setting, `${text}: the application lacks a permission, or consent`, consent);
  return doubtful(setting, `${text}, not with 404`, 'See what Graph says of this status');
}

const statusChange = (id: string): { method: string; headers: Record<string, string>; body: string } => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', 'client-request-id': id },
  body: JSON.stringify({ clientContext: id, status: 'notRecording' }),
});

/** Where another request was answered just before, so the network is not what is in the way. */
const waiting =
  'The proxy can be reached: see its log and /readyz/gates. It holds a stop up for a while after the store started without data';

/**
 * Asks the proxy, with a bot's token, for a status change of a call that does not exist. First it is made sure, by a
 * request that only reads, that nobody knows the call and that Graph answers: so the stop is settled at once.
 */
export async function askProxy(
  { setting, url }: Place,
  { token, call, controlAuth }: { token: string; call: string; controlAuth: ProxySettings['controlAuth'] },
): Promise<Finding> {
  const id = `tallylight-doctor-${call}`;
  const authorization = `Bearer ${token}`;
  const at = controlAuth === 'jwt' ? 'TALLYLIGHT_GRAPH_CREDENTIAL' : tokenOption;
  let reached = false;
  try {
    const found = await ask(url + callPath(call), { headers: { authorization, 'client-request-id': id } });
    if (!notFound(found)) return unexpected('a request for a call that does not exist', found, at);
    reached = true;
    const { headers, ...change } = statusChange(id);
    const answer = await ask(`${url}${callPath(call)}/updateRecordingStatus`, {
      ...change,
      headers: { ...headers, authorization },
    });
    const what = 'a status change of a call that does not exist';
    if (!notFound(answer)) return unexpected(what, answer, at);
    return right(
      setting,
      `${what} is answered with 404 through the proxy: token, Graph and store work together`,
    );
  } catch (error) {
    const { why, cure } = networkTrouble(error);
    return wrong(
      'notReady',
      setting,
      `a status change through the proxy is not answered: ${why}`,
      reached ? waiting : cure,
    );
  }
}

type Settings = Pick<ProxySettings, 'controlAuth' | 'graphCredentials' | 'graphUrl'>;

/** Asks Graph itself with the proxy's own credentials; one that obtains no token is found out about elsewhere. */
export async function askGraph(
  { controlAuth, graphCredentials, graphUrl }: Settings,
  call: string,
  fetch: Fetch,
): Promise<readonly Finding[]> {
  if (controlAuth !== 'jwt') return [];
  const found = await Promise.all(
    graphCredentials.map(async (credential, index): Promise<readonly Finding[]> => {
      const setting = `TALLYLIGHT_GRAPH_CREDENTIAL[${index}]`;
      const token = await tokenOf(credential, fetch);
      if (!token.ok) return [];
      const { headers, ...change } = statusChange(`tallylight-doctor-${call}`);
      const what = 'a status change of a call that does not exist';
      try {
        const answer = await ask(`${graphUrl}${callPath(call)}/updateRecordingStatus`, {
          ...change,
          headers: { ...headers, authorization: `Bearer ${token.token}` },
        });
        const who = answererOf(answer);
        if (who.by === 'graph' && answer.status !== 404)
          return [refusedByGraph(what, answer, who.code, setting)];
        if (who.by === 'graph')
          return [right(setting, `${what} is answered by Graph with 404: permissions and consent are there`)];
        return [
          doubtful(
            setting,
            `${what} is answered with ${describe(answer)}, which is not an answer of Graph`,
            'See what is between this machine and TALLYLIGHT_GRAPH_URL',
          ),
        ];
      } catch (error) {
        const { why, cure } = networkTrouble(error);
        return [wrong('notReady', 'TALLYLIGHT_GRAPH_URL', `${what} is not answered by Graph: ${why}`, cure)];
      }
    }),
  );
  return found.flat();
}
