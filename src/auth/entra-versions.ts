/** An issuer of Microsoft Entra: each tenant has one for each version of tokens. */
interface EntraIssuer {
  readonly tenant: string;
  readonly version: '1.0' | '2.0';
}

const v1 = /^https:\/\/sts\.(?:windows\.net|chinacloudapi\.cn)\/([0-9a-f-]{36})\/$/i;
const v2 =
  /^https:\/\/login\.(?:microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn|chinacloudapi\.cn)\/([0-9a-f-]{36})\/v2\.0$/i;

export function entraIssuer(issuer: string): EntraIssuer | undefined {
  const old = v1.exec(issuer)?.[1];
  if (old !== undefined) return { tenant: old.toLowerCase(), version: '1.0' };
  const tenant = v2.exec(issuer)?.[1];
  return tenant === undefined ? undefined : { tenant: tenant.toLowerCase(), version: '2.0' };
}

const entraHost =
  /^(?:https?:\/\/)?(?:sts\.(?:windows\.net|chinacloudapi\.cn)|login\.(?:windows\.net|microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn|chinacloudapi\.cn))(?:[/:?#]|$)/i;

/**
 * Why no token can carry this issuer, although it is at Entra: `iss` is compared letter by letter. undefined: one can, or
 * it is an issuer of somebody else.
 */
export function unusableEntraIssuer(issuer: string): string | undefined {
  if (!entraHost.test(issuer)) return undefined;
  if (entraIssuer(issuer) !== undefined && issuer === issuer.toLowerCase()) return undefined;
  return (
    'is at Microsoft Entra, but no token carries it: an issuer is compared letter by letter. ' +
    'Write https://sts.windows.net/TENANT-ID/ for tokens of version 1.0, with the slash at the end, or ' +
    'https://login.microsoftonline.com/TENANT-ID/v2.0 for tokens of version 2.0, without one, in lower case'
  );
}

/**
 * What is wrong with a token whose tenant is known here by its issuer of the other version, and the cure. Which of the two
 * signs a token is decided by the application that the token is for. undefined: that is not the reason.
 */
export function entraVersionMismatch(
  issuer: string | undefined,
  configured: readonly string[],
): string | undefined {
  const given = entraIssuer(issuer ?? '');
  const known = configured.map(entraIssuer);
  if (given === undefined || !known.some((one) => one?.tenant === given.tenant)) return undefined;
  const [is, wanted] = given.version === '1.0' ? ['1.0', '2.0'] : ['2.0', '1.0'];
  return (
    `it is an Entra token of version ${is}, but for its tenant only the issuer of version ${wanted} is configured: ` +
    `in the registration of the application that is its audience, set api.requestedAccessTokenVersion (accessTokenAcceptedVersion) to ` +
    `${wanted === '2.0' ? '2' : '1'}, or configure both issuers`
  );
}
