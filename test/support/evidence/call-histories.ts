import type { EvidenceRecord } from '../../../src/core/call/evidence.ts';
import type { GraphCallState } from '../../../src/core/call/graph-state.ts';
import type { CallKey } from '../../../src/core/call/key.ts';
import { type Binding, type CallState, noFacts, unknownCall } from '../../../src/core/call/state.ts';
import { type CallEvent, transition } from '../../../src/core/call/transition.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { callKey, start, who } from './history.ts';

const hold = { token: 'handler', forMs: 1000 };
export const minute = 60_000;

/** A user's id. */
export const user = (n: number): string => `0000000a-0000-4000-8000-${n.toString().padStart(12, '0')}`;

/** What the records of a call tell, as the gate writes them; times are minutes after `start`. */
export class CallStory {
  readonly call: CallKey;
  readonly by: Binding;
  readonly records: EvidenceRecord[] = [];
  #state: CallState = unknownCall;
  #now: number;

  constructor(n: number, { at = 0, by = who }: { at?: number; by?: Binding } = {}) {
    this.call = callKey(n);
    this.by = by;
    this.#now = start + at * minute;
  }

  happens(event: CallEvent, detail: JsonObject = {}, by: Binding | null = this.by, enforced = true): this {
    const step = transition(this.#state, event, {
      call: this.call,
      ...{ now: this.#now, clock: this.#now, watched: this.#now, remainingMs: () => 0 },
      wireMs: 1000,
      instance: 'session-1',
      policy: null,
      by,
      enforced,
      detail,
    });
    if (!step.ok) throw new Error(`${event.type} was refused: ${step.reason}`);
    this.#state = step.value.state;
    this.records.push(step.value.record);
    return this;
  }

  /** From now on it is that many minutes after `start`. */
  at(minutes: number): this {
    this.#now = start + minutes * minute;
    return this;
  }

  /** The first notification, which binds the call. */
  invited(facts: JsonObject, state: GraphCallState = 'incoming'): this {
    return this.happens({ type: 'bound', binding: this.by }).told(state, { facts, changeType: 'created' });
  }

  told(state: GraphCallState, detail: JsonObject = {}): this {
    return this.happens(
      { type: 'notified', notified: this.#state.notified ?? noFacts },
      { changeType: 'updated', state, result: null, ...detail },
    );
  }

  asked(): this {
    return this.happens({ type: 'startRequested', hold });
  }

  confirmed(): this {
    const { epoch } = this.asked().#state;
    return this.happens({ type: 'startConfirmed', token: hold.token, epoch, binding: this.by });
  }

  refused(code: string): this {
    const { epoch } = this.asked().#state;
    return this.happens({ type: 'startRefused', token: hold.token, epoch }, { outcome: 'refused', code });
  }

  drained(cause: string): this {
    const { openedAt } = this.#state;
    return this.happens({ type: 'stopRequested', hold }, { cause }).happens(
      { type: 'drained', hold },
      {
        interval:
          openedAt === null
            ? null
            : {
                epoch: this.#state.epoch,
                openedAt: new Date(openedAt).toISOString(),
                closedAt: new Date(this.#now).toISOString(),
              },
        writes: { admitted: 4, aborted: 1, unanswered: 0, refused: 0, bytes: 4096 },
      },
    );
  }

  stopped(): this {
    return this.drained('notRecording').happens({ type: 'stopConfirmed', token: hold.token });
  }

  ended(cause = 'terminated', result: JsonObject | null = { code: 200, subcode: 5000 }): this {
    if (cause === 'terminated') this.told('terminated', { changeType: 'deleted', result });
    return this.drained(cause).happens({ type: 'ended' }, { cause });
  }
}

/** The records of several stories as an outbox may give them: in order for each call, and across calls by time. */
export const merged = (...stories: readonly CallStory[]): EvidenceRecord[] =>
  stories.flatMap(({ records }) => records).sort((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at)));

/** Minutes after `start`, as evidence spells them. */
export const timeAt = (minutes: number): string => new Date(start + minutes * minute).toISOString();
