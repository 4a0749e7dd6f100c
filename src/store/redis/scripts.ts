import type { CallKey } from '../../core/call/key.ts';
import type { TimedHolder, SessionTimes } from '../../core/call/session.ts';
import type { Acquired, CallView } from '../../core/ports/call-store.ts';
import type { HoldsView } from '../../core/ports/hold-store.ts';
import type { Reporter } from '../../core/ports/outbox.ts';
import type { Revocation } from '../../core/ports/session-store.ts';
import {
  asCallKey,
  asList,
  asNumber,
  asPairs,
  asStateName,
  asText,
  malformed,
  parseBinding,
  parseCallState,
  parseHolds,
  parseTally,
} from './decode.ts';
import { lua } from './lua.generated.ts';

/** One Lua script: the names of its keys and arguments, in order, and what its reply means. */
export interface Script<Key extends string = string, Arg extends string = string, Reply = unknown> {
  readonly name: string;
  readonly lua: string;
  readonly keys: readonly Key[];
  readonly args: readonly Arg[];
  readonly decode: (reply: unknown) => Reply;
  /** Whether what it changes counts only once the replicas that are waited for have it. */
  readonly replicated?: true;
}

const script = <const Key extends string, const Arg extends string, Reply>(
  name: keyof typeof lua,
  keys: readonly Key[],
  args: readonly Arg[],
  decode: (reply: unknown) => Reply,
): Script<Key, Arg, Reply> => ({ name, lua: lua[name], keys, args, decode });

/** A change that must not be forgotten by a replica that takes over; or one whose success shows that none took over. */
const replicated: typeof script = (...parts) => ({ ...script(...parts), replicated: true });

function yes(reply: unknown): boolean {
  if (reply !== 0 && reply !== 1) throw malformed('reply');
  return reply === 1;
}

/** A tally's field: its epoch, a space, its session. */
export const tallyName = (session: string, epoch: number): string => `${epoch} ${session}`;

function splitTallyName(name: string): { session: string; epoch: number } {
  const space = name.indexOf(' ');
  if (space < 0) throw malformed('tally');
  return { session: name.slice(space + 1), epoch: asNumber(name.slice(0, space), 'tally') };
}

/** What a script reports of the shard it ran in. */
export interface ShardFacts {
  /** Protocol time, ms. */
  readonly time: number;
  readonly life: string;
  /** For how much longer than usual status changes wait in this life, ms. */
  readonly fencedMs: number;
  /** It has lasted for long enough (rule R2). */
  readonly settled: boolean;
}

/** A call as the store has it; for how long its life has lasted only the caller knows. */
export type Reading = Omit<CallView, 'livedMs'> & { readonly shard: ShardFacts };

const shardFacts = (time: unknown, life: unknown, fenced: unknown, settled: unknown): ShardFacts => ({
  time: asNumber(time, 'time'),
  life: asText(life, 'life'),
  fencedMs: asNumber(fenced, 'life'),
  settled: yes(settled),
});

function holder(session: string, text: string): TimedHolder {
  const [epoch, ttlMs, graphTimeoutMs] = text.split(' ');
  return {
    session,
    epoch: asNumber(epoch, 'holder'),
    ttlMs: asNumber(ttlMs, 'holder'),
    graphTimeoutMs: asNumber(graphTimeoutMs, 'holder'),
  };
}

function reading(reply: unknown): Reading {
  const [value, version, epochLife, holders, tallies, time, clock, watched, life, fenced, settled] = asList(
    reply,
    'reply',
  );
  const shard = shardFacts(time, life, fenced, settled);
  return {
    state: value === null ? null : parseCallState(value),
    version: version === null ? 0 : asNumber(version, 'version'),
    holders: asPairs(holders, 'holder').map(([session, text]) => holder(session, text)),
    tallies: asPairs(tallies, 'tally').map(([name, tally]) => ({
      ...splitTallyName(name),
      ...parseTally(tally),
    })),
    now: shard.time,
    clock: asNumber(clock, 'time'),
    watched: asNumber(watched, 'time'),
    life: shard.life,
    isOfThisLife: epochLife === null || epochLife === shard.life,
    shard,
  };
}

function touched(reply: unknown): ShardFacts {
  const [time, life, fenced, settled] = asList(reply, 'reply');
  return shardFacts(time, life, fenced, settled);
}

/** The one state that `acquire` may open for; Lua gets it as an argument. */
export const openState = 'recording';

/** What a session may hold, and since when; for how long that is only the caller knows. */
type Held =
  | Exclude<Acquired, { readonly state: typeof openState }>
  | (Omit<Extract<Acquired, { readonly state: typeof openState }>, 'openForMs'> & {
      readonly opened: Opened;
    });

/** When an epoch was opened, as a shard reports it. */
export interface Opened {
  /** Protocol time, ms: now. */
  readonly time: number;
  /** How long ago, in protocol time, ms; undefined: the shard does not know. */
  readonly agoMs: number | undefined;
}

const acquired = (reply: unknown): readonly Held[] => asList(reply, 'reply').map(acquiredOne);

function acquiredOne(reply: unknown): Held {
  if (reply === null) return { state: 'idle' };
  const [name, epoch, binding, time, ago] = asList(reply, 'reply');
  const state = asStateName(name);
  if (state !== openState) return { state };
  return {
    state,
    epoch: asNumber(epoch, 'epoch'),
    binding: parseBinding(binding),
    opened: { time: asNumber(time, 'time'), agoMs: ago === '-1' ? undefined : asNumber(ago, 'time') },
  };
}

interface IdleCall {
  readonly call: CallKey;
  /** Since when there was no activity, protocol time, ms: unlike an age, it does not depend on when its shard was asked. */
  readonly since: number;
}

function idleCalls(reply: unknown): readonly IdleCall[] {
  const [time, watched, calls] = asList(reply, 'reply');
  const ahead = asNumber(time, 'time') - asNumber(watched, 'time');
  return asPairs(calls, 'listed call').map(([id, at]) => ({
    call: asCallKey(id),
    since: ahead + asNumber(at, 'listed call'),
  }));
}

const calls = (reply: unknown): readonly CallKey[] => asList(reply, 'listed call').map(asCallKey);

interface Beat {
  /** The server's own clock, ms since the epoch. */
  readonly clock: number;
  readonly inbox: readonly Revocation[];
}

function reported(reply: unknown): { readonly now: number; readonly reporters: readonly Reporter[] } {
  const [now, reporters] = asList(reply, 'reply');
  return {
    now: asNumber(now, 'time'),
    reporters: asPairs(reporters, 'reporter').map(([instance, text]) => {
      const [beat, number] = text.split(' ');
      return { instance, beat: asNumber(beat, 'reporter'), number: asNumber(number, 'reporter') };
    }),
  };
}

function beat(reply: unknown): Beat | 'lost' {
  if (reply === null) return 'lost';
  const [clock, inbox] = asList(reply, 'reply');
  return {
    clock: asNumber(clock, 'time'),
    inbox: asPairs(inbox, 'revocation').map(([call, epoch]) => ({
      call: asCallKey(call),
      epoch: asNumber(epoch, 'revocation'),
    })),
  };
}

/** undefined: nothing is in the way; else what stands where the number of the layout should, or a member and its times. */
type InTheWay = { readonly format: string } | { readonly member: string; readonly times: SessionTimes };

export function parseTimes(text: string): SessionTimes | undefined {
  const [, ...numbers] = /^(\d+) (\d+) (\d+) (\d+)$/.exec(text) ?? [];
  const [ttlMs, graphTimeoutMs, ttlMaxMs, graphTimeoutMaxMs] = numbers.map(Number);
  if (ttlMs === undefined || graphTimeoutMs === undefined) return undefined;
  if (ttlMaxMs === undefined || graphTimeoutMaxMs === undefined) return undefined;
  return { ttlMs, graphTimeoutMs, ttlMaxMs, graphTimeoutMaxMs };
}

function inTheWay(reply: unknown): InTheWay | undefined {
  if (reply === null) return undefined;
  const [first, second] = asList(reply, 'reply');
  if (second === undefined) return { format: asText(first, 'format') };
  const times = parseTimes(asText(second, 'member'));
  if (times === undefined) throw malformed('member');
  return { member: asText(first, 'member'), times };
}

/** undefined: the lease is the caller's; else whose, and the counter that moves while they renew it. */
export interface Rival {
  readonly owner: string;
  readonly beat: number;
}

function rival(reply: unknown): Rival | undefined {
  if (reply === null) return undefined;
  const [owner, counter] = asList(reply, 'reply');
  return { owner: asText(owner, 'lease'), beat: asNumber(counter, 'lease') };
}

/** The holds, and what is known of their shard. */
function holdsRead(reply: unknown): HoldsView & { readonly shard: ShardFacts } {
  const [value, isKnown, life, time, fenced, settled, clock] = asList(reply, 'reply');
  const shard = shardFacts(time, life, fenced, settled);
  return {
    registry: parseHolds(value),
    isKnown: yes(isKnown),
    life: shard.life,
    clock: asNumber(clock, 'time'),
    shard,
  };
}

const shardKeys = ['shard', 'mark'] as const;
/** Arguments of every script of a shard: the largest protocol time known here, and the time since it was last reported. */
const shardArgs = ['seen', 'elapsed'] as const;

const commit = (name: 'commit' | 'commitClosing') =>
  replicated(
    name,
    ['call', 'tallies', 'outbox', ...shardKeys, 'census', 'activity', 'retained'],
    [
      ...['operation', 'version', 'life', 'state', 'epoch', 'binding', 'value', 'record'],
      ...['dropTallies', 'retentionMs', 'id', 'listed', 'open', ...shardArgs, 'channel', 'part'],
    ] as const,
    yes,
  );

const hold = (name: 'hold' | 'holdClosing') =>
  replicated(
    name,
    ['holds', 'outbox', ...shardKeys],
    [
      ...['operation', 'number', 'life', 'following', 'value', 'line'],
      ...[...shardArgs, 'evidence', 'part', 'channel'],
    ] as const,
    (reply) => (reply === null ? undefined : asText(reply, 'reply')),
  );

/** Every script, with what its header in lua/ promises (a unit test compares the two). */
export const scripts = {
  read: script('read', ['call', 'holders', 'tallies', ...shardKeys], [...shardArgs], reading),
  commit: commit('commit'),
  commitClosing: commit('commitClosing'),
  acquire: script(
    'acquire',
    ['call', 'holders', ...shardKeys],
    ['session', 'ttlMs', 'graphTimeoutMs', 'open', ...shardArgs],
    acquired,
  ),
  leave: script('leave', ['call', 'holders', 'tallies'], ['session', 'epoch', 'name', 'tally', 'how'], yes),
  touch: script('touch', [...shardKeys, 'activity'], ['ids', ...shardArgs], yes),
  idle: script('idle', [...shardKeys, 'activity'], ['forMs', 'limit', ...shardArgs], idleCalls),
  due: script('due', [...shardKeys, 'retained'], ['limit', ...shardArgs], calls),
  sweep: script(
    'sweep',
    ['call', 'holders', 'tallies', 'census', 'activity', 'retained', ...shardKeys],
    ['id', ...shardArgs],
    yes,
  ),
  begin: script('begin', [...shardKeys], ['kept', ...shardArgs], touched),
  settle: script('settle', [...shardKeys], ['life', ...shardArgs], yes),
  enrol: script(
    'enrol',
    ['members', 'layout', 'lease'],
    ['session', 'ttlMs', 'graphTimeoutMs', 'ttlMaxMs', 'graphTimeoutMaxMs'],
    inTheWay,
  ),
  join: replicated('join', ['session', 'inbox'], [], yes),
  heartbeat: replicated('heartbeat', ['session', 'inbox'], ['done'], beat),
  revoke: script(
    'revoke',
    ['session', 'inbox'],
    ['call', 'epoch', 'channel', 'message'],
    (reply): number | 'missing' => (reply === null ? 'missing' : asNumber(reply, 'session')),
  ),
  holds: script(
    'holds',
    ['holds', 'acks', ...shardKeys],
    ['session', 'acknowledged', ...shardArgs],
    holdsRead,
  ),
  hold: hold('hold'),
  holdClosing: hold('holdClosing'),
  report: replicated(
    'report',
    ['reporters', 'outbox'],
    ['instance', 'beat', 'lines', 'gone', 'last', 'channel', 'shard'],
    reported,
  ),
  lease: script('lease', ['lease', 'layout'], ['owner', 'forMs', 'rival', 'beat', 'stoodMs'], rival),
  release: script('release', ['lease'], ['owner'], yes),
  claim: replicated('claim', ['sink'], ['wanted', 'insteadOf'], (reply) => asText(reply, 'sink')),
};
