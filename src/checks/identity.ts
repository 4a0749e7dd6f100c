import {
  type KeysInspection,
  inspectCredential,
  inspectIssuerKeys,
  inspectNotificationKeys,
  inspectOperatorKeys,
} from '../auth/inspect.ts';
import type { ConsoleSettings, ProxySettings } from '../settings/settings.ts';
import type { outboundFetch } from '../upstream/pool.ts';
import { doubtful, type Finding, right, wrong } from './finding.ts';
import { networkTrouble } from './network.ts';

type Fetch = ReturnType<typeof outboundFetch>['fetch'];

interface KeySettings extends Pick<ProxySettings, 'issuers' | 'notificationIssuers'> {
  readonly console?: Pick<ConsoleSettings, 'issuers'> | undefined;
}

/** Whether the keys of every issuer can be fetched. */
export async function checkKeys(
  { issuers, notificationIssuers, console: { issuers: operators } = { issuers: [] } }: KeySettings,
  fetch: Fetch,
): Promise<readonly Finding[]> {
  const found = await Promise.all([
    ...issuers.map(async (issuer, index) =>
      keysFinding(`TALLYLIGHT_ISSUERS[${index}].jwksUri`, await inspectIssuerKeys(issuer, fetch)),
    ),
    ...operators.map(async (issuer, index) =>
      keysFinding(`TALLYLIGHT_CONSOLE_ISSUERS[${index}].jwksUri`, await inspectOperatorKeys(issuer, fetch)),
    ),
    ...notificationIssuers.map(async (issuer, index) =>
      keysFinding(
        `TALLYLIGHT_NOTIFICATION_ISSUERS[${index}].${issuer.jwksUri === undefined ? 'metadataUri' : 'jwksUri'}`,
        await inspectNotificationKeys(issuer, fetch),
      ),
    ),
  ]);
  return found;
}

function keysFinding(setting: string, found: KeysInspection): Finding {
  if (found.ok) return right(setting, `${found.source} publishes ${found.keys} signing keys`);
  const answered = /answered|publishes|key set|metadata/.test(found.why);
  const { why, cure } = answered
    ? {
        why: found.why,
        cure: 'Write the URL of the key set of this issuer; its OpenID metadata names it as jwks_uri',
      }
    : networkTrouble(found.why);
  return wrong('notReady', setting, `no signing keys from ${found.source}: ${why}`, cure);
}

/** What Entra says, and what it means. https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
const entraErrors: readonly (readonly [code: string, cure: string])[] = [
  ['AADSTS7000215', 'The secret is wrong: use its value, not its id, from Certificates & secrets'],
  ['AADSTS7000222', 'The secret has expired: make a new one'],
  [
    'AADSTS700027',
    'The key is not that of a certificate of the registration: upload the certificate to Certificates & secrets',
  ],
  [
    'AADSTS700016',
    'The tenant does not have this application: correct clientId or tenant, or grant consent in the tenant',
  ],
  ['AADSTS7000112', 'The application is disabled in the tenant: enable it under Enterprise applications'],
  ['AADSTS90002', 'There is no such tenant: correct tenant'],
  ['AADSTS900023', 'The tenant is neither an id nor a domain: correct tenant'],
  ['AADSTS500011', 'The tenant does not have the server of the scope: correct scope'],
  ['AADSTS1002012', 'The scope must end with /.default: correct scope'],
  ['AADSTS70011', 'The scope is not valid: correct scope'],
  ['AADSTS53003', 'A conditional access policy refuses the application: exempt it, or this network'],
];

const neededRoles = ['Calls.AccessMedia.All', 'Calls.JoinGroupCall.All'];

/** Whether each Graph credential obtains a token, and what that allows. */
export async function checkCredentials(
  { graphCredentials, controlAuth }: ProxySettings,
  fetch: Fetch,
): Promise<readonly Finding[]> {
  if (controlAuth !== 'jwt') return [];
  const found = await Promise.all(
    graphCredentials.map(async (credential, index): Promise<readonly Finding[]> => {
      const setting = `TALLYLIGHT_GRAPH_CREDENTIAL[${index}]`;
      const told = await inspectCredential(credential, fetch);
      if (!told.ok) return [wrong('notReady', setting, ...refused(told.why, credential.tokenEndpoint))];
      const { roles } = told;
      const obtained = right(setting, `${credential.tokenEndpoint} issues a Graph access token`);
      if (roles === undefined || roles.some((role) => neededRoles.includes(role))) return [obtained];
      return [
        obtained,
        doubtful(
          setting,
          `its token has no role such as ${neededRoles.join(' or ')}, so Graph refuses updateRecordingStatus`,
          'Add the application permission to the registration, and grant admin consent (docs/operate/entra.md)',
        ),
      ];
    }),
  );
  return found.flat();
}

function refused(why: string, endpoint: string): readonly [text: string, cure: string] {
  const text = `no Graph access token from ${endpoint}: ${why}`;
  const entra = entraErrors.find(([code]) => new RegExp(`${code}\\b`).test(why))?.[1];
  if (entra !== undefined) return [text, entra];
  if (/invalid_client|unauthorized_client|answered 40[13]/.test(why))
    return [text, 'The token endpoint refuses clientId or its secret or key: correct them'];
  if (/invalid_scope/.test(why)) return [text, 'Correct scope'];
  if (/answered|not valid/.test(why))
    return [text, 'Write the token endpoint of the tenant, or "tenant" instead of "tokenEndpoint"'];
  const trouble = networkTrouble(why);
  return [`no Graph access token from ${endpoint}: ${trouble.why}`, trouble.cure];
}
