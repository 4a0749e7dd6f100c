import { randomUUID } from 'node:crypto';
import type { Binding } from '../../core/call/state.ts';
import { makeCallRecord, sampleDirectRoutingCall, samplePstnCall } from './record-data.ts';
import { monotonic } from '../loopback.ts';

/** What participants see: the banner is on, off, or says that recording failed. */
export type RecordingState = 'recording' | 'notRecording' | 'failed';

export interface Operation {
  readonly id: string;
  readonly location: string;
  /** The type's name without `#microsoft.graph.`. */
  readonly type: string;
  /** As it is on the wire: `completed`, `running`, ... */
  status: string | null;
  clientContext: string | null;
  resultInfo: unknown;
  /** Shown once the operation is completed. */
  readonly result: Readonly<Record<string, string>>;
}

export interface Participant {
  readonly id: string;
  readonly user: string;
  readonly displayName: string;
  muted: boolean;
}

/** Why and on whose behalf a call came to the bot. All are ids; null: there is none. */
export interface Invitation {
  readonly threadId: string;
  /** Object id of the application instance that was invited. */
  readonly applicationInstance: string;
  readonly policyIdentifier: string;
  /** The user under the policy, who is observed. */
  readonly policyHolder: string;
  readonly otherSideUser: string;
  readonly transferor: string | null;
  readonly onBehalfOf: string | null;
  readonly pairedRecorders: readonly string[];
  readonly otherRecorders: readonly string[];
  readonly isMultiParty: boolean;
}

/** Why a call ended. Graph has been seen to write the codes as numbers and as strings. */
export interface EndResult {
  readonly code: number | string;
  readonly subcode: number | string;
  readonly message?: string | undefined;
}

/** As Graph reports a hang-up of the bot. */
export const endedByBot: EndResult = { code: 200, subcode: 7000 };
/** As Graph reports that the conversation itself is over. */
export const conversationEnded: EndResult = { code: 200, subcode: 5001 };

/** What happened to a call that its bot is notified of. */
export type CallEvent =
  | { readonly kind: 'invited' }
  | { readonly kind: 'state'; readonly state: 'establishing' | 'established' }
  | {
      readonly kind: 'roster';
      readonly changed: readonly Participant[];
      readonly removed: readonly Participant[];
    }
  | { readonly kind: 'operationEnded'; readonly operation: Operation }
  | { readonly kind: 'ended'; readonly result: EndResult };

export interface FakeCall extends Binding {
  /** Hyphenated, lower case. */
  readonly id: string;
  readonly policyBased: boolean;
  readonly direction: 'incoming' | 'outgoing';
  readonly callChainId: string;
  /** null: the bot made the call. */
  readonly invitation: Invitation | null;
  /** Wall clock, ms since the epoch. */
  readonly createdAt: number;
  readonly operations: Map<string, Operation>;
  readonly participants: Map<string, Participant>;
  state: 'incoming' | 'established';
  /** Where this call's notifications go; null: where the bot's registration says. */
  callbackUri: string | null;
  /** The bot asked for changes of the roster only. */
  deltaRoster: boolean;
  /** Counts the roster's notifications. */
  rosterSequence: number;
  recording: RecordingState;
}

type CallFacts = Binding &
  Pick<FakeCall, 'policyBased' | 'direction' | 'state' | 'callbackUri'> & {
    readonly invitation?: Invitation | undefined;
    readonly callChainId?: string | undefined;
  };

export interface BannerChange {
  /** Monotonic, ms. */
  readonly at: number;
  readonly call: string;
  readonly state: RecordingState;
}

/** One call may be spelled with and without hyphens, in any letter case. */
const keyOf = (id: string): string => id.replaceAll('-', '').toLowerCase();

export class FakeGraphState {
  readonly banner: BannerChange[] = [];
  readonly records: ReturnType<typeof makeCallRecord>[] = [];
  readonly pstnCalls;
  readonly directRoutingCalls;
  /** Where the notifications of calls without a callback of their own go: the bot's registration. */
  webhook: string | undefined;
  readonly #calls = new Map<string, FakeCall>();
  readonly #ended = new Map<string, FakeCall>();
  readonly #now: () => number;
  readonly #emit: (call: FakeCall, event: CallEvent) => void;

  /** `now`: wall clock, ms since the epoch. `emit` is called for every change that the bot is notified of. */
  constructor(now: () => number, emit: (call: FakeCall, event: CallEvent) => void = () => undefined) {
    this.#now = now;
    this.#emit = emit;
    this.pstnCalls = [samplePstnCall(now())];
    this.directRoutingCalls = [sampleDirectRoutingCall(now())];
  }

  /** A call that nobody sees until it is added. */
  makeCall({ callChainId = randomUUID(), invitation, ...facts }: CallFacts): FakeCall {
    const call: FakeCall = {
      ...facts,
      id: randomUUID(),
      callChainId,
      invitation: invitation ?? null,
      createdAt: this.#now(),
      operations: new Map(),
      participants: new Map(),
      deltaRoster: false,
      rosterSequence: 0,
      recording: 'notRecording',
    };
    join(call, invitation?.policyHolder ?? randomUUID(), 'Adele Vance');
    return call;
  }

  addCall(call: FakeCall): void {
    this.#calls.set(keyOf(call.id), call);
    if (call.direction === 'incoming') this.#emit(call, { kind: 'invited' });
    else this.#emit(call, { kind: 'state', state: 'establishing' });
    if (call.state === 'established') this.#emit(call, { kind: 'state', state: 'established' });
  }

  find(id: string): FakeCall | undefined {
    return this.#calls.get(keyOf(id));
  }

  /** Also if it is over. */
  recall(id: string): FakeCall | undefined {
    return this.find(id) ?? this.#ended.get(keyOf(id));
  }

  /** The bot takes the call, if nobody has; `callbackUri` null: notifications go on where they went. */
  answerCall(call: FakeCall, callbackUri: string | null, deltaRoster: boolean): void {
    if (!this.#isLive(call)) return;
    const isNews = call.state !== 'established';
    Object.assign(call, { state: 'established', callbackUri, deltaRoster });
    if (!isNews) return;
    for (const state of ['establishing', 'established'] as const) this.#emit(call, { kind: 'state', state });
  }

  addParticipants(
    call: FakeCall,
    people: readonly { readonly user: string; readonly displayName: string }[],
  ): string[] {
    const changed = people.map(({ user, displayName }) => join(call, user, displayName));
    if (this.#isLive(call)) this.#emit(call, { kind: 'roster', changed, removed: [] });
    return changed.map(({ id }) => id);
  }

  removeParticipant(call: FakeCall, id: string): boolean {
    const participant = call.participants.get(id);
    if (participant === undefined || !this.#isLive(call)) return false;
    call.participants.delete(id);
    this.#emit(call, { kind: 'roster', changed: [], removed: [participant] });
    return true;
  }

  /** A pending operation is final now. */
  operationEnded(call: FakeCall, operation: Operation): void {
    if (this.#isLive(call)) this.#emit(call, { kind: 'operationEnded', operation });
  }

  /** What acts after the end of the call changes nothing. */
  setRecording(call: FakeCall, state: RecordingState): void {
    if (!this.#isLive(call)) return;
    const changed = call.recording === state ? [] : [...call.participants.values()];
    call.recording = state;
    this.banner.push({ at: monotonic(), call: call.id, state });
    if (changed.length > 0) this.#emit(call, { kind: 'roster', changed, removed: [] });
  }

  /** The call is over: its banner goes out, later requests find nothing, and a call record appears. */
  endCall(call: FakeCall, result: EndResult): void {
    if (!this.#isLive(call)) return;
    if (call.recording !== 'notRecording') {
      call.recording = 'notRecording';
      this.banner.push({ at: monotonic(), call: call.id, state: 'notRecording' });
    }
    this.#calls.delete(keyOf(call.id));
    this.#ended.set(keyOf(call.id), call);
    this.records.push(makeCallRecord(call, this.#now()));
    this.#emit(call, { kind: 'ended', result });
  }

  #isLive(call: FakeCall): boolean {
    return this.#calls.get(keyOf(call.id)) === call;
  }
}

/** Its id may be spelled as that of a call may. */
export const findOperation = (call: FakeCall, id: string): Operation | undefined =>
  [...call.operations.values()].find((operation) => keyOf(operation.id) === keyOf(id));

function join(call: FakeCall, user: string, displayName: string): Participant {
  const participant = { id: randomUUID(), user, displayName, muted: false };
  call.participants.set(participant.id, participant);
  return participant;
}
