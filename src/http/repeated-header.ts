import type { IncomingMessage } from 'node:http';
import { refuse, type Refusal } from '../core/decision.ts';

/**
 * A request that names two hosts (RFC 9112, section 3.2), or two callers, is refused: Node takes the first of them, and
 * another reader the last.
 */
export function repeatedHeader({ rawHeaders }: IncomingMessage): Refusal | undefined {
  let hosts = 0;
  let callers = 0;
  let own = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    else if (name.length === 13 && name.toLowerCase() === 'authorization') callers += 1;
    else if (name.length === 24 && name.toLowerCase() === 'tallylight-authorization') own += 1;
  }
  if (hosts > 1) return refuse('HeaderRepeated', { detail: 'Host' });
  if (callers > 1) return refuse('HeaderRepeated', { detail: 'Authorization' });
  return own > 1 ? refuse('HeaderRepeated', { detail: 'Tallylight-Authorization' }) : undefined;
}
