import type { OutgoingHttpHeaders } from 'node:http';
import { grant, refuse, type Decision } from '../core/decision.ts';

/**
 * Graph names its resources by absolute URLs. Those are rewritten to the proxy, or the SDK's next request would
 * leave it; a redirect to any other place is refused.
 */
export function rewriteLocation(
  graphOrigin: string,
  publicUrl: string,
): (status: number, headers: OutgoingHttpHeaders) => Decision<OutgoingHttpHeaders> {
  return (status, headers) => {
    const { location, ...others } = headers;
    if (typeof location !== 'string') return grant(headers);
    const url = URL.canParse(location, graphOrigin) ? new URL(location, graphOrigin) : undefined;
    if (url?.origin === graphOrigin) {
      return grant({ ...headers, location: publicUrl + url.pathname + url.search + url.hash });
    }
    if (status >= 300 && status < 400) return refuse('GraphRedirect');
    return grant(others);
  };
}
