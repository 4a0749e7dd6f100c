import type { IncomingMessage } from 'node:http';
import { requestAge, type StartProblem, type StartStamp } from '../core/http/request-start.ts';
import { trustedPeers } from './client-address.ts';

/** Names that mean something else in a request. */
const takenHeaders =
  /^(?:authorization|connection|content-.*|expect|forwarded|host|http2-settings|keep-alive|proxy-.*|sec-.*|tallylight-.*|te|trailer|transfer-encoding|upgrade|via|x-forwarded-.*)$/i;

/** Whether a header field of this name may carry the request start time. */
export const isStampHeader = (name: string): boolean =>
  /^[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/i.test(name) && !takenHeaders.test(name);

/** Trusted proxies, header field and format of the request start time. */
export interface RequestStartOptions extends StartStamp {
  readonly header: string;
  readonly trustedProxies: readonly string[];
}

/** The latest time at which a request can have begun, by the clock of the process; or why it is unknown. */
export type RequestStart = (
  req: Pick<IncomingMessage, 'rawHeaders'> & {
    readonly socket: { readonly remoteAddress?: string | undefined };
  },
) => { readonly ok: true; readonly beganAt: number } | { readonly ok: false; readonly problem: StartProblem };

/**
 * Reads when a request began at the proxy in front. The stamp and our time of day make an age, and the age a moment of our
 * own clock: dates of two machines are compared nowhere else.
 */
export function requestStart(
  { header, trustedProxies, ...stamp }: RequestStartOptions,
  now: () => number,
  wallClock: () => number = Date.now,
): RequestStart {
  const isTrusted = trustedPeers(trustedProxies);
  const name = header.toLowerCase();
  return (req) => {
    if (!isTrusted(req.socket.remoteAddress)) return { ok: false, problem: 'untrusted' };
    const age = requestAge(valuesOf(req.rawHeaders, name), stamp, wallClock());
    return age.ok ? { ok: true, beganAt: now() - age.ageMs } : age;
  };
}

/** Node joins the values of a header that is repeated. */
function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.toLowerCase() === name) values.push(rawHeaders[at + 1] ?? '');
  return values;
}
