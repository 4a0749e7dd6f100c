import { readFile } from 'node:fs/promises';
import { createVerifier } from '../../auth/verify.ts';
import type { Fetch } from '../../auth/fetch.ts';
import type { Binding } from '../../core/call/state.ts';
import { bearerToken, graphTokenEnd, readGraphToken } from '../../core/http/bearer.ts';
import { type ReasonCode, textOf } from '../../core/reasons.ts';
import type { ProxySettings } from '../../settings/settings.ts';
import { type Finding, right, wrong } from '../finding.ts';

/** The option that names the file. */
export const tokenOption = '--token-file';

/** A token in a file; what it is in a finding never shows it. */
export async function readToken(
  path: string,
): Promise<{ readonly token: string } | { readonly finding: Finding }> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return {
      finding: wrong(
        'configuration',
        tokenOption,
        `the file cannot be read (${code})`,
        'Name a file that this user may read',
      ),
    };
  }
  const token = bearerToken(`Bearer ${text}`);
  if (token.ok) return { token: token.value };
  return {
    finding: wrong(
      'configuration',
      tokenOption,
      'the file does not contain one access token and nothing else',
      'Write the access token into it, without "Bearer" before it',
    ),
  };
}

type Settings = Pick<ProxySettings, 'controlAuth' | 'issuers' | 'opaqueGraphTokens'>;

/** What a bot's token is worth by the settings, without asking the proxy. */
export const judgeToken = (token: string, settings: Settings, fetch: Fetch): Promise<Finding> | Finding =>
  settings.controlAuth === 'jwt' ? judgeOwn(token, settings, fetch) : judgeGraphs(token, settings);

const of = ({ tenant, app }: Binding, until: number | undefined): string =>
  `is of tenant ${tenant} and application ${app}${until === undefined ? '' : `, valid until ${new Date(until).toISOString()}`}`;

const cures: Partial<Record<ReasonCode, readonly [setting: string, cure: string]>> = {
  TokenExpired: [tokenOption, 'Get a new token'],
  TokenRevoked: ['TALLYLIGHT_REVOKED_TOKENS_FILE', 'Get a new token'],
  TokenNotAllowed: [
    'TALLYLIGHT_ISSUERS',
    'Grant the application role, or correct tenants, apps and roles of the issuer (docs/operate/entra.md)',
  ],
  CannotVerify: ['TALLYLIGHT_ISSUERS', 'Make the key server of the issuer reachable'],
};
const otherToken = [
  'TALLYLIGHT_ISSUERS',
  'Compare the token with issuer and audience of the settings; it must be for the proxy (docs/operate/entra.md)',
] as const;

async function judgeOwn(token: string, { issuers }: Settings, fetch: Fetch): Promise<Finding> {
  const verifier = createVerifier(issuers, { fetch });
  try {
    const judged = await verifier.verify(token);
    if (judged.ok)
      return right(
        tokenOption,
        `the token ${of(judged.value, judged.value.expiresAt)}; its signature is good`,
      );
    const { reason, detail } = judged;
    const [setting, cure] = cures[reason] ?? otherToken;
    const why = detail === undefined ? '' : ` (${detail})`;
    return wrong(
      'notReady',
      setting,
      `the token would be refused with ${reason}: ${textOf(reason)}${why}`,
      cure,
    );
  } finally {
    verifier.close();
  }
}

/** Nobody but Graph can verify it. */
function judgeGraphs(token: string, { opaqueGraphTokens }: Settings): Finding {
  const who = readGraphToken(token);
  const until = graphTokenEnd(token);
  if (until !== undefined && until < Date.now())
    return wrong('notReady', tokenOption, 'the Graph token has expired', 'Get a new token');
  if (who !== undefined)
    return right(tokenOption, `the Graph token ${of(who, until)}; only Graph can verify it`);
  return opaqueGraphTokens === 'allow'
    ? right(tokenOption, 'the Graph token names no tenant and application, which the settings allow')
    : wrong(
        'notReady',
        'TALLYLIGHT_OPAQUE_GRAPH_TOKENS',
        textOf('GraphTokenUnreadable').replace(/\.$/, ''),
        'Present a Graph token of an application, as the bot sends it',
      );
}
