import type { IncomingMessage } from 'node:http';
import { bearerToken, graphTokenEnd, readGraphToken } from '../core/bearer.ts';
import type { Binding } from '../core/call-state.ts';
import { grant, refuse, type Decision } from '../core/decision.ts';
import { sha256 } from '../core/evidence.ts';
import type { Identity, Verifier } from '../core/ports.ts';
import type { ControlAuth } from './ports.ts';

/** Who asks on the control plane. */
export interface Caller {
  /** null: a Graph token that cannot be read, where the settings allow it. */
  readonly who: Binding | null;
  /** Whether `who` is verified (`jwt`), or a claim that counts only once Graph has accepted the token (`graph`). */
  readonly verified: boolean;
  /** The credential for Graph, with its scheme. */
  readonly authorization: () => Promise<Decision<string>>;
  /** Names the token without being one. */
  readonly tokenHash: string;
  /** When a Graph token ends by its own word, ms since the epoch; undefined: it does not say. */
  readonly expiresAt?: number | undefined;
}

/** Stage 1: token -> caller, or a refusal; "cannot verify" is not "verified as bad" (design, section 6). */
export async function authenticateControl(
  auth: ControlAuth,
  req: IncomingMessage,
): Promise<Decision<Caller>> {
  const token = bearerToken(req.headers.authorization);
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
    return graphToken.ok ? grant(`Bearer ${graphToken.value}`) : graphToken;
  };
  return grant({ who, verified: true, authorization, tokenHash });
}

/** Media always carries a token for our audience. */
export async function authenticateMedia(
  verifier: Verifier,
  req: IncomingMessage,
): Promise<Decision<Identity>> {
  const token = bearerToken(req.headers.authorization);
  return token.ok ? await verifier.verify(token.value) : token;
}
