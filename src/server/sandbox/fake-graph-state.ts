import { randomUUID } from 'node:crypto';
import type { Binding } from '../../core/call-state.ts';
import { makeCallRecord, sampleDirectRoutingCall, samplePstnCall } from './fake-graph-record-data.ts';
import { monotonic } from './loopback.ts';

/** What participants are told: the banner is on, off, or says that recording failed. */
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

interface Participant {
  readonly id: string;
  readonly user: string;
  readonly displayName: string;
  muted: boolean;
}

export interface FakeCall extends Binding {
  /** Hyphenated, lower case. */
  readonly id: string;
  readonly policyBased: boolean;
  readonly direction: 'incoming' | 'outgoing';
  readonly callChainId: string;
  /** Wall clock, ms since the epoch. */
  readonly createdAt: number;
  readonly operations: Map<string, Operation>;
  readonly participants: Map<string, Participant>;
  state: 'incoming' | 'established';
  callbackUri: string;
  recording: RecordingState;
}

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
  readonly #calls = new Map<string, FakeCall>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
    this.pstnCalls = [samplePstnCall(now())];
    this.directRoutingCalls = [sampleDirectRoutingCall(now())];
  }

  /** A call that nobody sees until it is added. */
  makeCall(facts: Binding & Pick<FakeCall, 'policyBased' | 'direction' | 'state' | 'callbackUri'>): FakeCall {
    const call: FakeCall = {
      ...facts,
      id: randomUUID(),
      callChainId: randomUUID(),
      createdAt: this.#now(),
      operations: new Map(),
      participants: new Map(),
      recording: 'notRecording',
    };
    this.addParticipant(call, randomUUID(), 'Adele Vance');
    return call;
  }

  addCall(call: FakeCall): void {
    this.#calls.set(keyOf(call.id), call);
  }

  find(id: string): FakeCall | undefined {
    return this.#calls.get(keyOf(id));
  }

  addParticipant(call: FakeCall, user: string, displayName: string): void {
    const id = randomUUID();
    call.participants.set(id, { id, user, displayName, muted: false });
  }

  /** What acts after the end of the call changes nothing. */
  setRecording(call: FakeCall, state: RecordingState): void {
    if (!this.#calls.has(keyOf(call.id))) return;
    call.recording = state;
    this.banner.push({ at: monotonic(), call: call.id, state });
  }

  /** The leg is over: its banner goes out, later requests find nothing, and a call record appears. */
  endCall(call: FakeCall): void {
    if (!this.#calls.has(keyOf(call.id))) return;
    if (call.recording !== 'notRecording') this.setRecording(call, 'notRecording');
    this.#calls.delete(keyOf(call.id));
    this.records.push(makeCallRecord(call, this.#now()));
  }
}

export function describeCall(call: FakeCall): object {
  const [observed] = call.participants.values();
  return {
    '@odata.type': '#microsoft.graph.call',
    id: call.id,
    state: call.state,
    direction: call.direction,
    callbackUri: call.callbackUri,
    callChainId: call.callChainId,
    tenantId: call.tenant,
    subject: null,
    source:
      observed === undefined ? null : { identity: userIdentity(observed), region: null, languageId: null },
    targets: [
      {
        '@odata.type': '#microsoft.graph.invitationParticipantInfo',
        identity: { application: { id: call.app, displayName: 'Recording bot' } },
      },
    ],
    requestedModalities: ['audio'],
    mediaConfig: { '@odata.type': '#microsoft.graph.appHostedMediaConfig', blob: '<media session>' },
    mediaState: call.state === 'established' ? { audio: 'active' } : null,
    // What Microsoft's sample bot tells a recording call by.
    incomingContext: call.policyBased ? { observedParticipantId: observed?.id ?? null } : null,
    resultInfo: null,
  };
}

export function describeParticipant(call: FakeCall, participant: Participant): object {
  return {
    '@odata.type': '#microsoft.graph.participant',
    id: participant.id,
    info: { identity: userIdentity(participant), region: null, languageId: null },
    isInLobby: false,
    isMuted: participant.muted,
    mediaStreams: [{ sourceId: '1', direction: 'sendReceive', mediaType: 'audio', serverMuted: false }],
    metadata: null,
    recordingInfo: { recordingStatus: call.recording, initiator: { application: { id: call.app } } },
  };
}

export function describeOperation(operation: Operation): object {
  return {
    '@odata.type': `#microsoft.graph.${operation.type}`,
    id: operation.id,
    clientContext: operation.clientContext,
    status: operation.status,
    resultInfo: operation.resultInfo,
    ...(operation.status?.toLowerCase() === 'completed' ? operation.result : {}),
  };
}

const userIdentity = ({ user, displayName }: Participant): object => ({ user: { id: user, displayName } });
