import type { IncomingMessage } from 'node:http';
import { sha256 } from '../core/call/evidence.ts';
import type { Binding } from '../core/call/state.ts';
import { type Decision, grant, refuse } from '../core/decision.ts';
import { bearerToken, graphTokenEnd, readGraphToken, type TokenHeader } from '../core/http/bearer.ts';
import type { Identity, Verifier } from '../core/ports/identity.ts';
import type { ControlAuth } from './ports.ts';
import { repeatedHeader } from './repeated-header.ts';

const scheme = 'Bearer ';

/** A caller on the control plane. */
export interface Caller {
  /** null: a Graph token that cannot be read, where the settings allow it. */
  readonly who: Binding | null;
  /** Whether `who` is verified (`jwt`), or a claim that counts only once Graph has accepted the token (`graph`). */
  readonly verified: boolean;
  /** The credential for Graph, with its scheme. */
  readonly authorization: () => Promise<Decision<string>>;
  /**
   * Another credential than one of the proxy's own that Graph has answered with 401; undefined, at once or in the end:
   * there is none to try.
   */
  readonly another?: (refused: string) => Promise<string | undefined> | undefined;
  /** Names the token without being one. */
  readonly tokenHash: string;
  /** The `exp` of a Graph token, ms since the epoch; undefined: it has none that can be read. */
  readonly expiresAt?: number | undefined;
}

/** Returns the token of a request without verifying it; there must be exactly one. */
export const tokenOf = (req: IncomingMessage): Decision<string> =>
  repeatedHeader(req) ?? bearerToken(req.headers.authorization);

/** Stage 1: token -> caller, or a refusal; "cannot verify" is not "verified as bad" (docs/design/callers.md). */
export async function authenticateControl(
  auth: ControlAuth,
  req: IncomingMessage,
): Promise<Decision<Caller>> {
  const token = tokenOf(req);
  if (!token.ok) return token;
  const tokenHash = sha256(token.value);
  if (auth.mode === 'graph') {
    const who = readGraphToken(token.value) ?? null;
    if (who === null && auth.opaqueTokens === 'refuse') return refuse('GraphTokenUnreadable');
    const authorization = `Bearer ${token.value}`;
    return grant({
      who,
      verified: false,
      authorization: () => Promise.resolve(grant(authorization)),
      tokenHash,
      expiresAt: graphTokenEnd(token.value),
    });
  }
  const verified = await auth.verifier.verify(token.value);
  if (!verified.ok) return verified;
  const { tenant, app } = verified.value;
  const who = { tenant, app };
  const authorization = async (): Promise<Decision<string>> => {
    const graphToken = await auth.credentials.tokenFor(who, req);
    return graphToken.ok ? grant(`${scheme}${graphToken.value}`) : graphToken;
  };
  const another = (refused: string): Promise<string | undefined> | undefined =>
    auth.credentials
      .replace?.(who, refused.replace(scheme, ''))
      ?.then((token) => (token === undefined ? undefined : `${scheme}${token}`));
  return grant({ who, verified: true, authorization, another, tokenHash });
}

/**
 * Media always carries a token for the audience of the proxy. If a dedicated header field carries it, no other header
 * field replaces it.
 */
export async function authenticateMedia(
  verifier: Verifier,
  req: IncomingMessage,
  tokenIn: TokenHeader,
): Promise<Decision<Identity>> {
  const token = tokenIn === 'Authorization' ? tokenOf(req) : ownToken(req, tokenIn);
  return token.ok ? await verifier.verify(token.value) : token;
}

/** What is in `Authorization` goes on to the handler, which must not get to know the token. */
function ownToken(req: IncomingMessage, tokenIn: TokenHeader): Decision<string> {
  const { authorization = '', [tokenIn.toLowerCase()]: own } = req.headers;
  const token = repeatedHeader(req) ?? bearerToken(typeof own === 'string' ? own : undefined, tokenIn);
  return token.ok && authorization.includes(token.value)
    ? refuse('TokenInvalid', {
        detail: `send it in ${tokenIn} only: Authorization is forwarded to the handler`,
      })
    : token;
}
