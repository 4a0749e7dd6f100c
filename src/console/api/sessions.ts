import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import { bearerToken } from '../../core/http/bearer.ts';
import { type Decision, grant, refuse } from '../../core/decision.ts';
import type { OperatorIdentity, OperatorVerifier } from '../../core/ports/operator.ts';

const maxSessions = 10_000;

/** Who is there on a loopback console without issuers: whoever can reach it. */
export const localOperator: OperatorIdentity = {
  issuer: 'local',
  subject: 'local',
  roles: ['Tallylight.View', 'Tallylight.Operate'],
  tenants: null,
  expiresAt: Infinity,
};

/**
 * Who asks: by a token, or by a cookie that stands for one. A cookie is a random name of what a token proved, and ends
 * with the token; the token itself is never kept.
 */
export class Sessions {
  readonly #verifier: OperatorVerifier | undefined;
  readonly #tls: boolean;
  readonly #known = new LRUCache<string, OperatorIdentity>({ max: maxSessions });
  readonly #now: () => number;

  /** `verifier` undefined: everybody is the local operator. */
  constructor(verifier: OperatorVerifier | undefined, tls: boolean, now: () => number) {
    this.#verifier = verifier;
    this.#tls = tls;
    this.#now = now;
  }

  async identify(req: IncomingMessage): Promise<Decision<OperatorIdentity>> {
    if (this.#verifier === undefined) return grant(localOperator);
    const { authorization } = req.headers;
    if (authorization !== undefined) return this.#verify(authorization);
    const who = this.#known.get(this.#idOf(req) ?? '');
    if (who === undefined) return refuse('TokenMissing');
    return this.#now() < who.expiresAt ? grant(who) : refuse('TokenExpired');
  }

  /** Begins a session for the token of the request; granted: the value of `Set-Cookie`. */
  async begin(req: IncomingMessage): Promise<Decision<string>> {
    if (this.#verifier === undefined) return grant(this.#cookie('local', undefined));
    const who = await this.#verify(req.headers.authorization);
    if (!who.ok) return who;
    const id = randomBytes(32).toString('base64url');
    this.#known.set(id, who.value);
    return grant(this.#cookie(id, (who.value.expiresAt - this.#now()) / 1000));
  }

  /** Ends the session of the request; the value of `Set-Cookie`. */
  end(req: IncomingMessage): string {
    this.#known.delete(this.#idOf(req) ?? '');
    return this.#cookie('', 0);
  }

  async #verify(authorization: string | undefined): Promise<Decision<OperatorIdentity>> {
    const token = bearerToken(authorization);
    if (!token.ok) return token;
    return (await this.#verifier?.verify(token.value)) ?? refuse('TokenMissing');
  }

  /** No page of another host or scheme can have set a cookie with this prefix. */
  get #name(): string {
    return this.#tls ? '__Host-tallylight' : 'tallylight';
  }

  #idOf({ headers: { cookie = '' } }: IncomingMessage): string | undefined {
    const prefix = `${this.#name}=`;
    return cookie
      .split(';')
      .map((pair) => pair.trim())
      .find((pair) => pair.startsWith(prefix))
      ?.slice(prefix.length);
  }

  #cookie(value: string, seconds: number | undefined): string {
    const age = seconds === undefined ? '' : `; Max-Age=${Math.max(0, Math.floor(seconds))}`;
    return `${this.#name}=${value}; Path=/; HttpOnly; SameSite=Strict${this.#tls ? '; Secure' : ''}${age}`;
  }
}
