import { Fault } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';
import { networkCause } from '../core/network-cause.ts';

/** What is needed of a `fetch`; that of undici fits. */
export type Fetch = (
  url: string,
  init: {
    method: 'GET' | 'POST';
    headers: Record<string, string>;
    body?: string;
    redirect: 'manual';
    signal: AbortSignal;
  },
) => Promise<{
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: AsyncIterable<Uint8Array> | null;
}>;

interface Request {
  readonly method: 'GET' | 'POST';
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** Fetches the whole answer within a time and a size; throws `IssuerUnreachable`. Redirects are not followed. */
export async function fetchBounded(fetch: Fetch, url: string, request: Request): Promise<Response> {
  const { timeoutMs, maxBytes, ...init } = request;
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const answer = await fetch(url, { ...init, redirect: 'manual', signal });
    const body = await readAll(answer.body, maxBytes);
    const type = answer.headers.get('content-type');
    return new Response(body.length > 0 ? body : null, {
      status: answer.status,
      headers: type === null ? {} : { 'content-type': type },
    });
  } catch (error) {
    throw new Fault('IssuerUnreachable', whatFailed(error), { cause: error });
  }
}

async function readAll(
  body: AsyncIterable<Uint8Array> | null,
  maxBytes: number,
): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new Fault('IssuerUnreachable', `the response is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `fetch` hides the reason, such as ECONNREFUSED, in the cause. */
function whatFailed(error: unknown): string {
  const known = networkCause(error);
  if (known !== undefined) return known;
  if (!isRecord(error)) return String(error);
  const code = isRecord(error.cause) ? error.cause.code : undefined;
  return [error.message, code].filter((part) => typeof part === 'string').join(': ');
}

const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** A URL that keys and secrets may travel to: https, or http to this machine. */
export function secureUrl(name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw new Fault('ConfigurationInvalid', `${name} is not a URL`);
  if (url.username !== '' || url.password !== '')
    throw new Fault('ConfigurationInvalid', `${name} must not contain a user name or a password`);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback.test(url.hostname)))
    throw new Fault('ConfigurationInvalid', `${name} must be https (http only to a loopback address)`);
  return url;
}
