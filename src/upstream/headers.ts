import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { HeaderMap } from '../core/http/exchange.ts';

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
  'http2-settings',
  'expect',
  'host',
]);

/** What a client must not send to an upstream: who it is behind us, another method, or internals of Microsoft's own gateways. */
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

/** What decides how a request is read; nothing but the name itself may stand for it. */
const decisive = new Set(['authorization', 'content-encoding', 'content-length', 'content-type']);

/** Many servers take `-`, `_` and the like for the same (CGI's environment knows only `_`): the name they might read. */
const plainName = (name: string): string => name.replace(/[^a-z0-9-]/g, '-');

const none: ReadonlySet<string> = new Set();

const namedByConnection = ({ connection }: HeaderMap): ReadonlySet<string> =>
  typeof connection === 'string'
    ? new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
    : none;

/** Names in lower case: a text replaces, null removes. */
export type ChangedHeaders = Readonly<Record<string, string | null>>;

/** End-to-end request headers for an upstream, but for what `set` changes. */
export function requestHeaders(
  headers: IncomingHttpHeaders,
  set: ChangedHeaders,
): Record<string, string | string[]> {
  const named = namedByConnection(headers);
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    const plain = plainName(name);
    if (value === undefined || hopByHop.has(plain) || named.has(name) || notFromClients.has(plain)) continue;
    if (plain.startsWith('x-forwarded-') || plain.startsWith('tallylight-') || Object.hasOwn(set, plain))
      continue;
    if (plain !== name && (decisive.has(plain) || Object.hasOwn(headers, plain))) continue;
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
    if (value === undefined || hopByHop.has(name) || named.has(name) || name.startsWith('tallylight-'))
      continue;
    kept[name] = value;
  }
  return kept;
}
