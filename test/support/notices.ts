import type { GraphCallState } from '../../src/core/call/graph-state.ts';
import { type CallKey, parseCallKey } from '../../src/core/call/key.ts';
import type { Binding } from '../../src/core/call/state.ts';
import type { CallFacts, Notice, ResultInfo, RosterEntry } from '../../src/core/notices/notice.ts';
import { noFacts } from '../fixtures/notifications/read.ts';
import { bot, theCall, type World } from './gate.ts';

type NoticeOf<Kind extends Notice['kind']> = Extract<Notice, { kind: Kind }>;

/** What a notification tells of a call; nothing, unless given. */
export const factsOf = (facts: Partial<CallFacts> = {}): CallFacts => ({ ...noFacts, ...facts });

interface CallNoticeFacts {
  readonly call?: Notice['call'];
  readonly changeType?: NoticeOf<'call'>['changeType'];
  readonly facts?: Partial<CallFacts>;
  readonly result?: ResultInfo | null;
}

/** A call is in this state; null: none was given. */
export const callIs = (
  state: GraphCallState | null,
  { call = theCall, changeType = 'updated', facts = {}, result = null }: CallNoticeFacts = {},
): NoticeOf<'call'> => ({ kind: 'call', call, changeType, state, facts: factsOf(facts), result });

/** The invitation of a recording policy. */
export const invitation = (facts: CallNoticeFacts = {}): NoticeOf<'call'> =>
  callIs('incoming', { changeType: 'created', ...facts });

/** An operation has ended, or `final` false: goes on. */
export const operationEnded = (
  operation: string,
  more: Partial<Omit<NoticeOf<'operation'>, 'kind' | 'operation'>> = {},
): NoticeOf<'operation'> => ({
  kind: 'operation',
  call: theCall,
  operation,
  type: 'updateRecordingStatus',
  final: true,
  ...more,
});

type EntryFacts = Partial<Pick<RosterEntry, 'status' | 'sequence' | 'removed'> & RosterEntry['initiator']>;

/** What the roster tells of one participant: by default that somebody unnamed records. */
export const participant = (
  name: string,
  { application = null, applicationInstance = null, ...facts }: EntryFacts = {},
): RosterEntry => ({
  participant: name,
  sequence: null,
  removed: false,
  status: 'recording',
  initiator: { application, applicationInstance },
  ...facts,
});

/** The whole roster. */
export const roster = (entries: readonly RosterEntry[], call = theCall): NoticeOf<'roster'> => ({
  kind: 'roster',
  call,
  delta: false,
  ...atLimit(entries),
  entries,
});

const atLimit = ({ length }: readonly RosterEntry[]): { atLimit?: true } =>
  length < 100 ? {} : { atLimit: true };

/** What changed in the roster. */
export const delta = (entries: readonly RosterEntry[], call = theCall): NoticeOf<'roster'> => ({
  kind: 'roster',
  call,
  delta: true,
  ...atLimit(entries),
  entries,
});

/** Lets an instance learn, and everything happen that needs no time. */
export async function tell(
  world: World,
  index: number,
  notices: Notice | readonly Notice[],
  by: Binding = bot,
): Promise<void> {
  world.instances[index]!.gate.receiveNotices(by, 'kind' in notices ? [notices] : notices);
  await world.clock.settle();
}

/** The nth of some further calls. */
export const callNo = (n: number): CallKey => parseCallKey(n.toString(16).padStart(32, '0'))!;
