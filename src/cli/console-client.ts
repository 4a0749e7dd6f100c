import { readFileSync } from 'node:fs';
import { isRecord, parseJsonText } from '../core/json.ts';
import { messageOf } from '../core/errors.ts';
import { outboundFetch } from '../upstream/pool.ts';

/** Where the console is, and who asks. */
export interface ConsoleAccess {
  /** Origin. */
  readonly url: string;
  /** File with the token of the operator; undefined: a console on loopback without issuers. */
  readonly tokenFile?: string | undefined;
}

/** What the console answered; or why there is no answer. */
export type ConsoleReply =
  | { readonly kind: 'answered'; readonly status: number; readonly body: unknown }
  /** `code` is one of docs/reference/reasons.md, where the console named one. */
  | { readonly kind: 'refused'; readonly status: number; readonly code: string; readonly message: string }
  | { readonly kind: 'failed'; readonly why: string };

export interface ConsoleRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
}

/** Longer than the console takes for an act. */
const timeoutMs = 120_000;

export async function askConsole(
  { url, tokenFile }: ConsoleAccess,
  { method, path, body }: ConsoleRequest,
): Promise<ConsoleReply> {
  const outbound = outboundFetch();
  try {
    const token = tokenFile === undefined ? undefined : readFileSync(tokenFile, 'utf8').trim();
    const response = await outbound.fetch(new URL(path, url).href, {
      method,
      headers: {
        accept: 'application/json',
        // As the console's own page does: what acts names where it comes from.
        origin: new URL(url).origin,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const read = parseJsonText(await response.text());
    if (response.status < 300) return { kind: 'answered', status: response.status, body: read };
    const error = isRecord(read) && isRecord(read.error) ? read.error : {};
    return {
      kind: 'refused',
      status: response.status,
      code: typeof error.code === 'string' ? error.code : `status ${response.status}`,
      message: typeof error.message === 'string' ? error.message : 'The answer is not one of the console.',
    };
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    return { kind: 'failed', why: messageOf(cause ?? error) };
  } finally {
    await outbound.close();
  }
}
