import type { IncomingMessage } from 'node:http';
import { type Refusal, refuse } from '../../core/decision.ts';

/** What the listener is, and under which names it may be reached. */
export interface Place {
  /** Host names and addresses, without ports, in lower case; IPv6 addresses in brackets. */
  readonly hosts: readonly string[];
  readonly tls: boolean;
}

/** The host of an authority such as `name:8443`; undefined: it is none. */
const hostOf = (authority: string): string | undefined =>
  /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(authority)?.[1]?.toLowerCase();

/**
 * A page of another site may lead a browser here: by a name that it has pointed to this address (DNS rebinding), or by a
 * request across origins. So the name must be one of ours, and what acts, or reads events, must come from our own page.
 */
export function refusalOfPlace(req: IncomingMessage, place: Place, acts: boolean): Refusal | undefined {
  const { host = '', origin, authorization } = req.headers;
  const name = hostOf(host);
  if (name === undefined || !place.hosts.includes(name)) return refuse('HostUnknown');
  if (origin !== undefined) return isOwn(origin, host, place) ? undefined : refuse('OriginRefused');
  const site = req.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return isLink(req) ? undefined : refuse('OriginRefused');
  // Browsers send it with everything that acts; a token is something that no page has without being ours.
  if (acts && authorization === undefined)
    return refuse('OriginRefused', { detail: 'the Origin header field is missing' });
  return undefined;
}

/** Somebody follows a link to the page, from a chat or a runbook: the document is the same for everybody, and is not framed. */
const isLink = ({ method, url, headers }: IncomingMessage): boolean =>
  method === 'GET' && url === '/' && headers['sec-fetch-dest'] === 'document';

/** Behind a plain listener on loopback TLS may have ended before. */
function isOwn(origin: string, host: string, { tls }: Place): boolean {
  const [, scheme, authority = ''] = /^(https?):\/\/([^/]+)$/.exec(origin) ?? [];
  return authority.toLowerCase() === host.toLowerCase() && (scheme === 'https' || !tls);
}
