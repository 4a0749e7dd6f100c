import type { IncomingMessage } from 'node:http';
import { refuse, type Refusal } from '../core/decision.ts';

/**
 * What Node's parser lets through although another reader could frame it differently, or cannot be passed on as it
 * was meant: such a request is refused, and its connection is closed (RFC 9112, sections 2.3, 6.1 and 6.3).
 */
export function unfitMessage({ httpVersion, headers }: IncomingMessage): Refusal | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    return refuse('UpgradeRefused', { detail: 'the version is neither HTTP/1.1 nor HTTP/1.0' });
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return undefined;
  if (httpVersion === '1.0') return refuse('BodyInvalid', { detail: 'HTTP/1.0 has no transfer codings' });
  // Chunks are taken off here; what was coded within them would go on as if it were plain.
  return coding.toLowerCase() === 'chunked'
    ? undefined
    : refuse('BodyInvalid', { detail: 'the only transfer coding that is taken is "chunked"' });
}
