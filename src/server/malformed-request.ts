import type { IncomingMessage } from 'node:http';
import { refuse, type Refusal } from '../core/decision.ts';
import { repeatedHeader } from '../http/repeated-header.ts';

/**
 * What Node's parser lets through although another reader could frame it differently, or cannot be passed on as it
 * was meant: such a request is refused, and its connection is closed (RFC 9112, sections 2.3, 6.1 and 6.3).
 */
export function malformedRequest(req: IncomingMessage): Refusal | undefined {
  const { httpVersion, headers } = req;
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    return refuse('UpgradeRefused', { detail: 'the HTTP version is neither 1.1 nor 1.0' });
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return repeatedHeader(req);
  if (httpVersion === '1.0')
    return refuse('BodyInvalid', { detail: 'HTTP/1.0 does not support Transfer-Encoding' });
  // Chunks are taken off here; what was coded within them would go on as if it were plain.
  return coding.toLowerCase() === 'chunked'
    ? repeatedHeader(req)
    : refuse('BodyInvalid', { detail: 'the only supported transfer coding is "chunked"' });
}
