import type { CallKey } from '../../core/call-key.ts';
import type { Acquired, CallView, Reporter, Revocation } from '../../core/ports.ts';
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

/** A change that must not be forgotten by a replica that takes over; or one whose success tells that none took over. */
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

function view(reply: unknown): CallView {
  const [value, version, holders, tallies, now, bornAt] = asList(reply, 'reply');
  return {
    state: value === null ? null : parseCallState(value),
    version: version === null ? 0 : asNumber(version, 'version'),
    holders: asPairs(holders, 'holder').map(([session, epoch]) => ({
      session,
      epoch: asNumber(epoch, 'holder'),
    })),
    tallies: asPairs(tallies, 'tally').map(([name, tally]) => ({
      ...splitTallyName(name),
      ...parseTally(tally),
    })),
    now: asNumber(now, 'time'),
    bornAt: asNumber(bornAt, 'marker'),
  };
}

/** The one state that `acquire` may open for; Lua is told, it does not know. */
export const openState = 'recording';

function acquired(reply: unknown): Acquired {
  if (reply === null) return { state: 'idle' };
  const [name, epoch, binding] = asList(reply, 'reply');
  const state = asStateName(name);
  if (state !== openState) return { state };
  return { state, epoch: asNumber(epoch, 'epoch'), binding: parseBinding(binding) };
}

interface Silence {
  readonly call: CallKey;
  /** When something was last heard, ms: unlike an age, it does not depend on when its shard was asked. */
  readonly since: number;
}

function silences(reply: unknown): readonly Silence[] {
  return asPairs(reply, 'listed call').map(([id, time]) => ({
    call: asCallKey(id),
    since: asNumber(time, 'listed call'),
  }));
}

function inbox(reply: unknown): readonly Revocation[] | 'lost' {
  if (reply === null) return 'lost';
  return asPairs(reply, 'revocation').map(([call, epoch]) => ({
    call: asCallKey(call),
    epoch: asNumber(epoch, 'revocation'),
  }));
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

/** Every script, with what its header in lua/ promises (a unit test compares the two). */
export const scripts = {
  read: script('read', ['call', 'holders', 'tallies', 'life'], [], view),
  commit: replicated(
    'commit',
    ['call', 'holders', 'tallies', 'outbox', 'life', 'census', 'heard'],
    [
      'operation',
      'version',
      'state',
      'epoch',
      'binding',
      'value',
      'record',
      'dropTallies',
      'retentionMs',
      'id',
      'listed',
      'readAt',
      'channel',
      'shard',
    ],
    yes,
  ),
  acquire: script('acquire', ['call', 'holders', 'life'], ['session', 'open'], acquired),
  leave: script('leave', ['call', 'holders', 'tallies'], ['session', 'epoch', 'name', 'tally', 'how'], yes),
  heard: script('heard', ['heard'], ['ids'], yes),
  silent: script('silent', ['heard'], ['forMs', 'limit'], silences),
  forget: script('forget', ['call', 'heard'], ['id'], yes),
  touch: script('touch', ['life'], ['kept'], (reply) => asNumber(reply, 'marker')),
  join: replicated('join', ['session', 'inbox'], ['ttlMs'], yes),
  heartbeat: replicated('heartbeat', ['session', 'inbox'], ['ttlMs', 'done'], inbox),
  revoke: script('revoke', ['session', 'inbox'], ['call', 'epoch', 'channel', 'message'], yes),
  report: replicated(
    'report',
    ['reporters', 'outbox'],
    ['instance', 'beat', 'lines', 'gone', 'last', 'channel', 'shard'],
    reported,
  ),
  claim: replicated('claim', ['sink'], ['wanted', 'insteadOf'], (reply) => asText(reply, 'sink')),
  lease: script('lease', ['lease'], ['owner', 'forMs'], yes),
  release: script('release', ['lease'], ['owner'], yes),
};
