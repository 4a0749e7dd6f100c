/** Destination of the notifications of a call according to the `callbackUri` in a body. */
export type CallbackJudgement =
  | { readonly kind: 'absent' | 'proxied' | 'unreadable' }
  | {
      readonly kind: 'bypasses';
      /** Host and port it names, in lower case. */
      readonly host: string;
      /** The same path and query at the proxy; null: the proxy has no such callback path. */
      readonly instead: string | null;
    };

/** Where this proxy accepts notifications. */
export interface CallbackTarget {
  /** Scheme, host and port under which Graph reaches the proxy. */
  readonly origin: string;
  /** Whether the proxy passes notifications at this path (with its query) on to a bot. */
  readonly isCallbackPath: (path: string) => boolean;
}

/**
 * Spelled so that every parser reads the same: visible ASCII, no user before the host, no backslash. The path is
 * judged and kept as it is spelled, since a bot may have put its instance into it.
 */
const absolute = /^https?:\/\/(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{0,5})?([/?#][\x21-\x7e]*)?$/i;
const dotSegment = /^[^?]*\/(?:\.|%2e){1,2}(?:[/?]|$)/i;
const maxLength = 8192;

/**
 * Judges the `callbackUri` of an answer, a redirect or a new call; Graph sends a call's notifications there.
 * A host with a trailing dot is another host. No error, whatever `value` is.
 */
export function judgeCallbackUri(value: unknown, at: CallbackTarget): CallbackJudgement {
  if (value === undefined || value === null || value === '') return { kind: 'absent' };
  const named = typeof value === 'string' ? parse(value) : undefined;
  if (named === undefined) return { kind: 'unreadable' };
  const { url, path } = named;
  const { origin } = new URL(at.origin);
  const passed = at.isCallbackPath(path);
  if (url.origin === origin && passed) return { kind: 'proxied' };
  return { kind: 'bypasses', host: url.host, instead: passed ? origin + path : null };
}

function parse(text: string): { url: URL; path: string } | undefined {
  const spelled = text.length > maxLength || text.includes('\\') ? null : absolute.exec(text);
  if (spelled === null || !URL.canParse(text)) return undefined;
  // A fragment is never sent.
  const sent = (spelled[1] ?? '').replace(/#.*$/, '');
  const path = sent.startsWith('/') ? sent : `/${sent}`;
  return dotSegment.test(path) ? undefined : { url: new URL(text), path };
}
