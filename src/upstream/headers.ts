import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { HeaderMap } from '../core/exchange.ts';

/** RFC 9110, section 7.6.1, and what undici sets itself. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
]);

/** What a client may not tell an upstream: who it is behind us, another method, or internals of Microsoft's own gateways. */
const notFromClients = new Set([
  'forwarded',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-microsoft-tenant',
  'x-skypetoken',
  'x-ms-gateway-serviceroot',
  'x-original-url',
  'x-rewrite-url',
]);

const namedByConnection = ({ connection }: HeaderMap): Set<string> =>
  new Set(
    (typeof connection === 'string' ? connection : '').split(',').map((name) => name.trim().toLowerCase()),
  );

/** End-to-end request headers for an upstream; `set` replaces, a null in it removes. */
export function requestHeaders(
  headers: IncomingHttpHeaders,
  set: Readonly<Record<string, string | null>>,
): Record<string, string | string[]> {
  const named = namedByConnection(headers);
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || hopByHop.has(name) || named.has(name) || notFromClients.has(name)) continue;
    if (name.startsWith('x-forwarded-') || name.startsWith('tallylight-') || name in set) continue;
    kept[name] = value;
  }
  for (const [name, value] of Object.entries(set)) {
    if (value !== null) kept[name] = value;
  }
  return kept;
}

/** End-to-end response headers for the client. `Tallylight-*` is ours alone to say. */
export function responseHeaders(headers: HeaderMap): OutgoingHttpHeaders {
  const named = namedByConnection(headers);
  const kept: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (hopByHop.has(name) || named.has(name) || name.startsWith('tallylight-')) continue;
    kept[name] = value;
  }
  return kept;
}
