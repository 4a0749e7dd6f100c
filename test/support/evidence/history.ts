import type { OutboxContent, RefusedWrites } from '../../../src/core/call/evidence-lines.ts';
import { chain, type EvidenceRecord } from '../../../src/core/call/evidence.ts';
import { type CallKey, parseCallKey } from '../../../src/core/call/key.ts';
import { type CallState, unknownCall } from '../../../src/core/call/state.ts';
import { type CallEvent, transition } from '../../../src/core/call/transition.ts';
import type { Log } from '../../../src/core/ports/log.ts';

export const who = {
  tenant: '11111111-1111-1111-1111-111111111111',
  app: '22222222-2222-2222-2222-222222222222',
};

export const callKey = (n: number): CallKey => parseCallKey(n.toString(16).padStart(32, '0'))!;

export const start = Date.UTC(2026, 0, 31, 12);

const hold = { token: 'handler', forMs: 1000 };

/** One whole recording, from the first request to the confirmed stop. */
const recordingEvents = (epoch: number): CallEvent[] => [
  { type: 'startRequested', hold },
  { type: 'startConfirmed', token: 'handler', epoch, binding: who },
  { type: 'mediaRequested' },
  { type: 'stopRequested', hold },
  { type: 'drained', hold },
  { type: 'stopConfirmed', token: 'handler' },
];

/** The life of a call, made by the state machine itself. */
export class History {
  readonly call: CallKey;
  state: CallState = unknownCall;
  readonly records: EvidenceRecord[] = [];
  now: number;

  constructor(n: number, now = start) {
    this.call = callKey(n);
    this.now = now;
  }

  happens(event: CallEvent): this {
    this.now += 10;
    const step = transition(this.state, event, {
      call: this.call,
      ...{ now: this.now, clock: this.now, watched: this.now, remainingMs: () => 0 },
      wireMs: 1000,
      instance: 'session-1',
      policy: `sha256:${'a'.repeat(64)}`,
      by: who,
      enforced: true,
      detail: { requestId: 'r\u00e9quest', bytes: 12.5 },
    });
    if (!step.ok) throw new Error(`${event.type} was refused: ${step.reason}`);
    this.state = step.value.state;
    this.records.push(step.value.record);
    return this;
  }

  recording(): this {
    const epoch = Math.max(this.now + 10, this.state.epoch + 1);
    for (const event of recordingEvents(epoch)) this.happens(event);
    return this;
  }
}

/** Whole recordings of several calls, their records interleaved as an outbox would offer them. */
export function interleaved(calls: number, recordings: number): EvidenceRecord[] {
  const histories = Array.from({ length: calls }, (_, n) => {
    const history = new History(n + 1);
    for (let round = 0; round < recordings; round++) history.recording();
    return history.records;
  });
  const longest = Math.max(0, ...histories.map((records) => records.length));
  return Array.from({ length: longest }, (_, n) =>
    histories.flatMap((records) => records.slice(n, n + 1)),
  ).flat();
}

/** The records among what waits in an outbox. */
export const recordsOf = (entries: readonly OutboxContent[]): EvidenceRecord[] =>
  entries.flatMap(({ record }) => record ?? []);

/** Records as a sink takes them. */
export const contents = (records: readonly EvidenceRecord[]): OutboxContent[] =>
  records.map((record) => ({ record }));

/** A line about refused writes, as a gate reports it. */
export const refusedWrites = (changes: Partial<RefusedWrites> = {}): RefusedWrites => ({
  version: 1,
  at: new Date(start).toISOString(),
  instance: 'process-1',
  number: 1,
  last: false,
  by: who,
  refused: { RecordingNotActive: 3 },
  first: new Date(start - 5000).toISOString(),
  latest: new Date(start - 10).toISOString(),
  calls: [callKey(0xf00)],
  countsLost: [],
  ...changes,
});

/** A record that continues the chain of `before`, but not by the rules: for what the verifier must refuse. */
export const forged = (
  before: CallState,
  after: Partial<CallState>,
  changes: Partial<Parameters<typeof chain>[2]>,
): EvidenceRecord =>
  chain(
    before,
    { ...before, ...after },
    {
      call: callKey(1),
      at: start + 1e6,
      event: 'bound',
      instance: 'i',
      policy: null,
      by: null,
      enforced: true,
      detail: {},
      ...changes,
    },
  ).record;

/** A log that remembers. */
export function memoryLog(): Log & { readonly lines: { level: string; facts: unknown; text: string }[] } {
  const lines: { level: string; facts: unknown; text: string }[] = [];
  const at = (level: string) => (facts: unknown, text: string) => void lines.push({ level, facts, text });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
