import { request as requestHttp, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isLoopback } from '../../settings/shapes.ts';

/** How long the receiver may take, ms. */
const patienceMs = 10_000;
/** Characters of the answer's body that are kept. */
const keptCharacters = 4096;

/** What the receiver answered. */
export interface Posted {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Cut after 4,096 characters. */
  readonly body: string;
}

/**
 * Posts once, on a connection of its own; redirects are not followed. Only to this machine, so that nothing of a
 * sandbox gets out by a callback that names another. `ca`: who signed the certificate there, where the system does not
 * know. Throws if there is no answer.
 */
export async function post(
  url: string,
  headers: OutgoingHttpHeaders,
  body: string,
  signal: AbortSignal,
  ca?: string,
): Promise<Posted> {
  const target = new URL(url);
  if (!isLoopback(target.hostname)) throw new Error(`${target.host} is not a loopback address`);
  const request = target.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const req = request(target, {
      method: 'POST',
      agent: false,
      ...(ca === undefined ? {} : { ca }),
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
    });
    req.on('error', reject);
    req.on('response', (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => (text = (text + chunk).slice(0, keptCharacters)));
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: text }));
    });
    req.end(body);
  });
}
