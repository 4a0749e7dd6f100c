import type { StatusDeps } from './context.ts';
import type { Grant } from './write.ts';

/** Counts the writes of an ended grant, and warns the operator of those that the handler may have stored. */
export function reportWrites(grant: Grant, { meter, log }: Pick<StatusDeps, 'meter' | 'log'>): void {
  meter.bytesAdmitted(grant.bytes);
  meter.liveBytesAdmitted(grant.takeUncounted());
  meter.writesAborted(grant.aborted);
  meter.writesUnanswered(grant.unanswered);
  meter.writesDiscarded(grant.discarded, grant.notDiscarded);
  if (grant.notDiscarded === 0) return;
  log.warn(
    { call: grant.call, epoch: grant.epoch, count: grant.notDiscarded, writes: grant.notDiscardedIds },
    'a media handler did not confirm in time that it discards aborted writes: check whether it has stored them',
  );
}
