import { parseCallKey } from '../../core/call/key.ts';
import type { AnnouncedStop } from '../../core/ports/session-store.ts';

/** A stop as it is announced to the other instances: its epoch or `-`, who announces it, the call. */
export const stopMessage = ({ call, epoch, from }: AnnouncedStop): string =>
  `${epoch ?? '-'} ${from} ${call}`;

/** undefined: it is something else. */
export function stopIn(message: string): AnnouncedStop | undefined {
  const [, epoch = '', from = '', id = ''] = /^(\d{1,15}|-) (\S{1,128}) (.+)$/.exec(message) ?? [];
  const call = parseCallKey(id);
  return call && { call, epoch: epoch === '-' ? null : Number(epoch), from };
}
