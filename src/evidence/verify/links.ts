import type { EvidenceRecord } from '../../core/call/evidence.ts';
import type { RefusedWrites } from '../../core/call/evidence-lines.ts';
import type { CallSummary } from './call.ts';
import { CallHistory } from './call-history.ts';

const minute = 60_000;

/**
 * How long after the last call of a meeting had ended a call of the same thread still belongs to it, ms. Long enough for a
 * replaced bot and for somebody who comes back; a recurring meeting has one thread for months, and a group chat one for
 * all its calls.
 */
export const threadWindowMs = 15 * minute;
/** How long after the end of a call its transfer may appear, ms. */
export const transferWindowMs = 5 * minute;
/** How long a call with an open recording is taken to live after its last record, ms: keepAlives leave no record. */
const openWindowMs = 12 * 60 * minute;
/** A call queue transfers hundreds of calls at a time. */
const maxOthers = 8;

/** By what calls are linked; the words go before the id. */
export const linkKinds = {
  callChainId: 'call chain',
  threadId: 'meeting thread',
  transferor: 'transfer by user',
} as const;

/** Why calls are shown together. Ids of calls are GUIDs, as in `CallSummary.call`. */
export interface Link {
  readonly by: keyof typeof linkKinds;
  /** The chain, the thread, or the user who transferred. */
  readonly id: string;
  /** In the order in which they appeared; of a transfer, the call it came from and the call it led to. */
  readonly calls: readonly string[];
  /** Of a transfer: the last eight further calls that it can have come from, which are not linked for that. */
  readonly orFrom: readonly string[];
}

/** Calls that belong together as far as the evidence shows. For reading only: each call has its own gate. */
export interface Conversation {
  readonly tenant: string | null;
  readonly firstRecord: string;
  readonly lastRecord: string;
  /** In the order in which they appeared. */
  readonly calls: readonly CallSummary[];
  /** Empty for a call that nothing links. */
  readonly links: readonly Link[];
}

/**
 * Reads verified records, those of each call in their order, and keeps what there is to say of each call: memory grows
 * with the calls, not with the records.
 */
export class Conversations {
  readonly #histories = new Map<string, CallHistory>();
  /** Named in lines that count observed writes, perhaps before their first record. */
  readonly #observed = new Set<string>();

  take(record: EvidenceRecord): void {
    let history = this.#histories.get(record.call);
    if (history === undefined) {
      history = new CallHistory(record);
      this.#histories.set(record.call, history);
    }
    history.take(record);
  }

  takeLine({ observed, calls }: RefusedWrites): void {
    if (observed !== undefined) for (const call of calls) this.#observed.add(call);
  }

  /** Every call is in exactly one; those that appeared first come first. */
  list(): Conversation[] {
    for (const call of this.#observed) this.#histories.get(call)?.flag('notEnforced');
    return conversationsOf([...this.#histories.values()].map((history) => history.summary()));
  }
}

interface Lived {
  readonly call: CallSummary;
  readonly from: number;
  readonly until: number;
  readonly users: ReadonlySet<string>;
}

function lifeOf(call: CallSummary): Lived {
  const until = Date.parse(call.ended?.at ?? call.lastRecord);
  const lives = call.ended === null && call.flags.includes('stillOpen');
  return {
    call,
    from: Date.parse(call.firstRecord),
    until: lives ? until + openWindowMs : until,
    users: new Set(
      [call.source, call.policyHolder, call.otherSideUser, call.onBehalfOf].filter((user) => user !== null),
    ),
  };
}

/** Groups calls by everything that links two of them. */
export function conversationsOf(calls: readonly CallSummary[]): Conversation[] {
  const lives = calls
    .map(lifeOf)
    .sort((a, b) => a.from - b.from || (a.call.call < b.call.call ? -1 : Number(a.call.call > b.call.call)));
  const links = [...chainLinks(lives), ...threadLinks(lives), ...transferLinks(lives)];
  const groups = new Groups();
  for (const { calls } of links) groups.join(calls);
  const found = new Map<string, { calls: CallSummary[]; links: Link[] }>();
  for (const { call } of lives) {
    const root = groups.rootOf(call.call);
    const group = found.get(root);
    if (group === undefined) found.set(root, { calls: [call], links: [] });
    else group.calls.push(call);
  }
  for (const link of links) found.get(groups.rootOf(link.calls[0] ?? ''))?.links.push(link);
  return [...found.values()].map((group) => ({
    tenant: group.calls[0]?.tenant ?? null,
    firstRecord: earliest(group.calls.map((call) => call.firstRecord)),
    lastRecord: latest(group.calls.map((call) => call.lastRecord)),
    ...group,
  }));
}

const earliest = (times: readonly string[]): string => times.reduce((a, b) => (a < b ? a : b));
const latest = (times: readonly string[]): string => times.reduce((a, b) => (a > b ? a : b));

/** What the same id means in another tenant is another thing. */
const within = (call: CallSummary, id: string | null): string | undefined =>
  call.tenant === null || id === null ? undefined : `${call.tenant} ${id}`;

const linkOf = (by: Link['by'], id: string | null, calls: readonly CallSummary[]): Link[] =>
  calls.length < 2 || id === null ? [] : [{ by, id, calls: calls.map(({ call }) => call), orFrom: [] }];

function chainLinks(lives: readonly Lived[]): Link[] {
  const chains = new Map<string, CallSummary[]>();
  for (const { call } of lives) {
    const key = within(call, call.callChainId);
    if (key === undefined) continue;
    const chain = chains.get(key);
    if (chain === undefined) chains.set(key, [call]);
    else chain.push(call);
  }
  return [...chains.values()].flatMap((calls) => linkOf('callChainId', calls[0]?.callChainId ?? null, calls));
}

/** Calls of one thread, as long as there is one living or the last has just ended. */
function threadLinks(lives: readonly Lived[]): Link[] {
  const meetings: { readonly calls: CallSummary[]; until: number }[] = [];
  const current = new Map<string, (typeof meetings)[number]>();
  for (const { call, from, until } of lives) {
    const key = within(call, call.threadId);
    if (key === undefined) continue;
    const meeting = current.get(key);
    if (meeting !== undefined && from <= meeting.until + threadWindowMs) {
      meeting.calls.push(call);
      meeting.until = Math.max(meeting.until, until);
    } else {
      const next = { calls: [call], until };
      meetings.push(next);
      current.set(key, next);
    }
  }
  return meetings.flatMap(({ calls }) => linkOf('threadId', calls[0]?.threadId ?? null, calls));
}

/**
 * Each transferred call with the one call it most likely came from. A busy user has many calls within minutes, and
 * linking all of them would make one conversation of a working day; the others are named.
 */
function transferLinks(lives: readonly Lived[]): Link[] {
  const links: Link[] = [];
  const recent = new Map<string, Lived[]>();
  for (const life of lives) {
    const { call, from } = life;
    const key = within(call, call.transferor);
    if (key !== undefined && call.transferor !== null) {
      const near = (recent.get(key) ?? []).filter(({ until }) => from <= until + transferWindowMs);
      recent.set(key, near);
      // Calls of one chain are linked by it, and a transfer led to all of them.
      const origins = near.filter((other) => !sameChain(other.call, call));
      const origin = likeliest(life, origins);
      if (origin !== undefined)
        links.push({
          by: 'transferor',
          id: call.transferor,
          calls: [origin.call.call, call.call],
          orFrom: origins
            .filter((other) => other !== origin && !sameChain(other.call, origin.call))
            .slice(-maxOthers)
            .map((other) => other.call.call),
        });
    }
    for (const user of life.users) {
      const mine = within(call, user);
      if (mine === undefined) continue;
      const known = recent.get(mine);
      if (known === undefined) recent.set(mine, [life]);
      else known.push(life);
    }
  }
  return links;
}

const sameChain = (a: CallSummary, b: CallSummary): boolean =>
  a.callChainId !== null && a.callChainId === b.callChainId;

/** A call with another user of the transferred one, else the one that lived last, else the one that appeared last. */
function likeliest({ call, from, users }: Lived, origins: readonly Lived[]): Lived | undefined {
  const stayed = [...users].filter((user) => user !== call.transferor);
  const sharing = (origin: Lived): number => Number(stayed.some((user) => origin.users.has(user)));
  const livedLast = ({ until }: Lived): number => Math.min(until, from);
  let best: Lived | undefined;
  for (const origin of origins) {
    const better =
      best === undefined ||
      (sharing(origin) - sharing(best) || livedLast(origin) - livedLast(best) || origin.from - best.from) > 0;
    if (better) best = origin;
  }
  return best;
}

/** Sets of calls that grow together. */
class Groups {
  readonly #parents = new Map<string, string>();

  rootOf(call: string): string {
    let root = call;
    for (let parent; (parent = this.#parents.get(root)) !== undefined;) root = parent;
    // What was walked once is not walked again.
    for (let at = call; at !== root;) {
      const next = this.#parents.get(at) ?? root;
      this.#parents.set(at, root);
      at = next;
    }
    return root;
  }

  join(calls: readonly string[]): void {
    const [first, ...others] = calls.map((call) => this.rootOf(call));
    for (const other of others) {
      const [root, child] = [this.rootOf(first ?? other), this.rootOf(other)];
      if (root !== child) this.#parents.set(child, root);
    }
  }
}
