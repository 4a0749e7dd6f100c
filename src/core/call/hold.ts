import type { Binding } from './state.ts';

/** Who acts by hand. Evidence holds these two values and no others. */
export interface Operator {
  /** Issuer of the verified token; `local` on a loopback console without issuers. */
  readonly issuer: string;
  /** The subject that the issuer names. */
  readonly subject: string;
}

/** Which calls a hold is for. Tenant and app are lower-case GUIDs. */
export type HoldScope = { readonly all: true } | { readonly tenant: string } | { readonly app: string };

/** While it stands, no gate of a matching call opens, on any instance. */
export interface StandingHold {
  /** A UUID. */
  readonly id: string;
  /** Revision of the store's holds with which it was set: each hold and each release has the next number, from 1. */
  readonly number: number;
  readonly scope: HoldScope;
  readonly reason: string;
  readonly by: Operator;
  /** The store's clock to within a round trip, RFC 3339 in UTC with milliseconds. */
  readonly at: string;
}

/** Recordings of the scope up to this epoch stay closed: they were recorded before a hold was released. */
export interface ClosedUpTo {
  readonly scope: HoldScope;
  readonly epoch: number;
}

/** The holds of a store. */
export interface HoldRegistry {
  /** Revision: that of the last hold or release; 0: there was none. */
  readonly number: number;
  /** In the order in which they were set. */
  readonly standing: readonly StandingHold[];
  readonly closed: readonly ClosedUpTo[];
}

export const noHolds: HoldRegistry = { number: 0, standing: [], closed: [] };

/** A hold that was set, or its release. */
export interface HoldAct {
  readonly act: 'set' | 'released';
  readonly id: string;
  readonly number: number;
  readonly scope: HoldScope;
  readonly reason: string;
  readonly by: Operator;
  readonly at: string;
  /** Of a release: no epoch that the store had given out by then is above it; null for a hold. */
  readonly closedUpTo: number | null;
}

/** So many scopes are kept with an epoch of their own; the earliest of more is applied to all calls, which only closes. */
const maxClosed = 200;

/** Whether a call may be among those of the scope: one that is bound to nobody may be anybody's. */
export function isInScope(scope: HoldScope, binding: Binding | null): boolean {
  if ('all' in scope || binding === null) return true;
  return 'tenant' in scope ? scope.tenant === binding.tenant : scope.app === binding.app;
}

/** The hold that stands in the way of a call. */
export const holdOf = ({ standing }: HoldRegistry, binding: Binding | null): StandingHold | undefined =>
  standing.find(({ scope }) => isInScope(scope, binding));

/** Whether a recording is closed: by a hold that stands, or since it began before one was released. */
export const isClosedByHold = (
  registry: HoldRegistry,
  { epoch, binding }: { readonly epoch: number; readonly binding: Binding | null },
): boolean =>
  holdOf(registry, binding) !== undefined ||
  registry.closed.some((closed) => epoch <= closed.epoch && isInScope(closed.scope, binding));

/** The holds after an act. */
export function withAct(registry: HoldRegistry, act: HoldAct): HoldRegistry {
  const others = registry.standing.filter(({ id }) => id !== act.id);
  const number = Math.max(registry.number, act.number);
  if (act.act === 'released')
    return {
      number,
      standing: others,
      closed: withClosed(registry.closed, { scope: act.scope, epoch: act.closedUpTo ?? 0 }),
    };
  const { id, scope, reason, by, at } = act;
  return { ...registry, number, standing: [...others, { id, number: act.number, scope, reason, by, at }] };
}

/**
 * The holds of a store that may have lost its data: what the journal says, and what is left in the store of acts that the
 * journal does not have.
 */
export function restored(journal: readonly HoldAct[], left: HoldRegistry): HoldRegistry {
  const known = new Set(journal.map(({ id }) => id));
  const read = journal.reduce(withAct, noHolds);
  const standing = [...read.standing, ...left.standing.filter(({ id }) => !known.has(id))];
  return {
    number: Math.max(read.number, left.number),
    standing,
    closed: left.closed.reduce(withClosed, read.closed),
  };
}

function withClosed(before: readonly ClosedUpTo[], next: ClosedUpTo): readonly ClosedUpTo[] {
  const name = scopeName(next.scope);
  const same = before.find(({ scope }) => scopeName(scope) === name);
  const others = before.filter((one) => one !== same);
  const closed = [...others, { ...next, epoch: Math.max(next.epoch, same?.epoch ?? 0) }];
  if (closed.length <= maxClosed) return closed;
  const [earliest, ...later] = closed.toSorted((a, b) => a.epoch - b.epoch);
  return earliest === undefined ? later : withClosed(later, { scope: { all: true }, epoch: earliest.epoch });
}

/** For people: whom it concerns. */
export function scopeName(scope: HoldScope): string {
  if ('all' in scope) return 'all calls';
  return 'tenant' in scope ? `tenant ${scope.tenant}` : `application ${scope.app}`;
}
