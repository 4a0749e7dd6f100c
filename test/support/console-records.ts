import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import type { CallKey } from '../../src/core/call/key.ts';
import { type EventName, nextState, type StateName } from '../../src/core/call/state.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { JournalPlace } from '../../src/core/ports/journal-feed.ts';

export const consoleTenant = '11111111-1111-4111-8111-111111111111';
export const consoleApp = '22222222-2222-4222-8222-222222222222';

const states: Partial<Record<EventName, StateName>> = {
  startConfirmed: 'starting',
  startRefused: 'starting',
  startUnknown: 'starting',
  stopRequested: 'recording',
  drained: 'stopping',
  stopConfirmed: 'unconfirmed',
  stopUnknown: 'unconfirmed',
};

export const callNumber = (number: number): CallKey =>
  `00000000000040008000${number.toString(16).padStart(12, '0')}` as CallKey;

interface RecordOptions {
  readonly at?: number;
  readonly detail?: JsonObject;
  readonly by?: EvidenceRecord['by'];
}

/** A record of a call and its place, as the console reads them; it is not chained to others. */
export function recordOf(
  call: number,
  event: EventName,
  seq = 1,
  { at = Date.now(), detail = {}, by = { tenant: consoleTenant, app: consoleApp } }: RecordOptions = {},
): [EvidenceRecord, JournalPlace] {
  const from = states[event] ?? 'idle';
  return [
    {
      ...{ version: 2, call: callNumber(call), seq, prev: null, at: new Date(at).toISOString(), step: null },
      ...{ event, from, to: nextState(from, event) ?? from, epoch: 1000, instance: 'session' },
      ...{ policy: null, by, enforced: true, detail, hash: 'f'.repeat(64) },
    },
    { file: 'evidence-2026-01-31.jsonl', offset: seq, bytes: 1 },
  ];
}
