import { canonicalJson, sha256 } from './evidence.ts';
import type { Binding } from './state.ts';

/** Rules that an organisation may choose. The two laws are code; no policy can relax them. */
export interface PolicyRules {
  /** How long accepted writes may go on after a stop, ms; null: the setting TALLYLIGHT_DRAIN_MS. */
  readonly drainMs: number | null;
  /** Recordings made by Graph itself: never, or while the gate is open. */
  readonly recordResponse: 'refuse' | 'whileRecording';
  readonly operationPatch: 'refuse' | 'forward';
  /** A channel for derived data. */
  readonly updateMetadata: 'refuse' | 'whileRecording' | 'forward';
  /** The deprecated `/app` root. */
  readonly appAlias: 'refuse' | 'forward';
  /** When Graph refuses a start: keep the call, or hang up (which, under Teams' defaults, ends the user's call). */
  readonly onStartRefused: 'keepCall' | 'hangUp';
  /**
   * A `callbackUri` that is none of the proxy's callback paths: pass it and flag the call, or write the proxy's own in
   * its place where that path is served here.
   */
  readonly callbackUri: 'flag' | 'rewrite';
  /** Reads of media routes: as the route says, only while recording, or never. */
  readonly mediaReads: 'asRouted' | 'whileRecording' | 'refuse';
  /** Further applications (client ids) that may upload for the bot. */
  readonly uploaders: readonly string[];
}

export interface Policy extends PolicyRules {
  readonly name: string;
  /** Whom it is for; an absent list means everybody. Lower-case GUIDs. */
  readonly match: { readonly tenants?: readonly string[]; readonly apps?: readonly string[] };
}

/** A policy in force, with the digest that evidence records name it by. */
export interface PolicyInForce extends Policy {
  readonly digest: string;
}

export const inForce = (policy: Policy): PolicyInForce => ({
  ...policy,
  digest: `sha256:${sha256(canonicalJson(policy))}`,
});

/** More specific wins: tenant and application, then application, then tenant, then everybody. */
export const specificity = ({ match }: Policy): number =>
  (match.apps === undefined ? 0 : 2) + (match.tenants === undefined ? 0 : 1);

export const matches = ({ match }: Policy, who: Binding): boolean =>
  (match.tenants?.includes(who.tenant) ?? true) && (match.apps?.includes(who.app) ?? true);

/** Whether both match some caller at the same level of specificity, so that neither could decide. */
export function collide(one: Policy, other: Policy): boolean {
  const overlap = (a: readonly string[] | undefined, b: readonly string[] | undefined): boolean =>
    a === undefined || b === undefined || a.some((value) => b.includes(value));
  return (
    specificity(one) === specificity(other) &&
    overlap(one.match.tenants, other.match.tenants) &&
    overlap(one.match.apps, other.match.apps)
  );
}

/** The strictest policy: in force where no other matches. */
export const strictestRules: PolicyRules = {
  drainMs: null,
  recordResponse: 'refuse',
  operationPatch: 'refuse',
  updateMetadata: 'refuse',
  appAlias: 'refuse',
  onStartRefused: 'keepCall',
  callbackUri: 'flag',
  mediaReads: 'asRouted',
  uploaders: [],
};

export const defaultPolicy: PolicyInForce = inForce({ name: 'default', match: {}, ...strictestRules });

export function selectPolicy(policies: readonly PolicyInForce[], who: Binding | null): PolicyInForce {
  const candidates = policies
    .filter((policy) => (who === null ? specificity(policy) === 0 : matches(policy, who)))
    .sort((a, b) => specificity(b) - specificity(a));
  return candidates[0] ?? defaultPolicy;
}

/**
 * Whether `who` may upload for the bot to which a call belongs. For a call that is bound to nobody, everybody may.
 */
export const mayUpload = (policy: PolicyRules, owner: Binding | null, who: Binding): boolean =>
  owner === null ||
  (owner.tenant === who.tenant && (owner.app === who.app || policy.uploaders.includes(who.app)));

/** Finds the policy in force for a caller. */
export type PolicyFor = (who: Binding | null) => PolicyInForce;
