import type { CallKey } from '../core/call/key.ts';
import { mayUpload } from '../core/call/policy.ts';
import type { SessionId } from '../core/call/session.ts';
import type { Binding } from '../core/call/state.ts';
import type { Tally } from '../core/call/tally.ts';
import { type Decision, grant as granted, refuse } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { Revocation } from '../core/ports/session-store.ts';
import { stateOf } from './change.ts';
import { ClosedCache } from './closed-cache.ts';
import type { StatusDeps } from './context.ts';
import { openedAt, tooEarly } from './epoch-opening.ts';
import type { Holds } from './holds.ts';
import { readInTime } from './read-in-time.ts';
import { reportWrites } from './report-writes.ts';
import { Session } from './session.ts';
import type { StopMarks } from './stop-marks.ts';
import { Grant, Write } from './write.ts';

interface Leaving {
  readonly grant: Grant;
  readonly tally: Tally;
}

interface Revoked {
  readonly epoch: number;
  /** Local clock, ms. */
  readonly at: number;
  /** The highest epoch whose holders were left. */
  left: number;
}

/**
 * Admission: the first write of a call on an instance asks the store, every later one is a look-up and a compare.
 * Also the instance's half of a stop: stop admitting at once, let accepted writes finish within the drain limit,
 * destroy the rest, and only then leave the holders.
 */
export class Admission {
  readonly #deps: StatusDeps;
  readonly #stopMarks: StopMarks;
  readonly #holds: Holds;
  readonly #grants = new Map<CallKey, Grant>();
  readonly #draining = new Set<Grant>();
  readonly #leaving = new Set<Leaving>();
  readonly #acquiring = new Map<CallKey, Promise<Decision<Grant>>>();
  /** Rule R1: the highest revoked epoch per call, kept for as long as an older acquire reply could still arrive. */
  readonly #revoked = new Map<CallKey, Revoked>();
  /** Revocations whose call this session has left; keyed, since the store repeats them until they are reported as done. */
  #done = new Map<CallKey, Revocation>();
  /** Calls of which nothing is admitted for now, though this instance may be a holder: it goes on or is revoked. */
  readonly #suspended = new Map<CallKey, () => void>();
  readonly closedCache: ClosedCache;
  #closing = false;
  /** What the ids of all writes of this process begin with, and how many there were. */
  readonly #writePrefix: string;
  #writes = 0;
  readonly session: Session;

  constructor(deps: StatusDeps, stopMarks: StopMarks, holds: Holds) {
    this.#deps = deps;
    this.#stopMarks = stopMarks;
    this.#holds = holds;
    this.#writePrefix = `${deps.newId().replaceAll('-', '')}-`;
    this.closedCache = new ClosedCache(deps.clock);
    this.session = new Session(deps, {
      take: (revocations) => this.revoke(revocations),
      readHolds: (session) => holds.read(session),
      expire: (session) => this.#expire(session),
      done: () => this.#takeDone(),
    });
  }

  /** The fast path: no promise, no store. undefined: this instance holds no grant, ask `admit`. */
  admitNow(call: CallKey, who: Binding | null, beganAt?: number): Decision<Write> | undefined {
    const held = this.#held(call, who, beganAt);
    return held?.ok === true ? granted(this.#newWrite(held.value)) : held;
  }

  /** Admits, asking the store where this instance holds no grant yet. `who` null: the proxy itself acts for the bot. */
  async admit(call: CallKey, who: Binding | null, beganAt?: number): Promise<Decision<Write>> {
    const held = await this.hold(call, who);
    if (!held.ok) return held;
    // A revocation may have been taken since the grant was found: look and write without a pause between.
    return this.admitNow(call, who, beganAt) ?? refuse('RecordingNotActive');
  }

  /** The grant itself, for what needs the gate open but writes nothing. */
  async hold(call: CallKey, who: Binding | null): Promise<Decision<Grant>> {
    if (this.#closing) return refuse('ShuttingDown', { retryAfterMs: 1000 });
    const held = this.#held(call, who);
    if (held !== undefined) return held;
    const acquired = await this.#acquireOnce(call);
    if (!acquired.ok) return acquired;
    return this.#held(call, who) ?? refuse('RecordingNotActive');
  }

  #held(call: CallKey, who: Binding | null, beganAt?: number): Decision<Grant> | undefined {
    const grant = this.#grants.get(call);
    if (this.#suspended.has(call)) return refuse('RecordingNotActive');
    if (grant === undefined || !this.session.isLive()) return undefined;
    const policy = this.#deps.policyFor(grant.binding);
    // A stranger gets the answer of a call that is not recorded.
    if (who !== null && !mayUpload(policy, grant.binding, who)) return refuse('RecordingNotActive');
    if (this.#deps.backlog.isExceeded()) return this.#deps.backlog.refusal();
    return tooEarly(this.#deps.meter, grant, beganAt) ?? granted(grant);
  }

  #newWrite(grant: Grant): Write {
    this.#writes += 1;
    return new Write(grant, this.#writePrefix + String(this.#writes), () => this.session.isLive());
  }

  countRefused(call: CallKey): void {
    const grant = this.grantOf(call);
    if (grant !== undefined) grant.refused += 1;
  }

  /** Calls whose media is admitted here. */
  get grants(): readonly Grant[] {
    return [...this.#grants.values()];
  }

  holds(call: CallKey): boolean {
    return this.#grants.has(call);
  }

  /** What is held of a call here, also if its writes are only ending any more. */
  grantOf(call: CallKey): Grant | undefined {
    return this.#grants.get(call) ?? [...this.#draining].find((one) => one.call === call);
  }

  /** Stops admitting what is held of a call up to an epoch, null: whatever is held; before it returns. */
  shut(call: CallKey, epoch: number | null): void {
    const grant = this.#grants.get(call);
    if (grant === undefined || grant.epoch > (epoch ?? Infinity)) return;
    this.revoke([{ call, epoch: grant.epoch }]);
  }

  /**
   * Admits nothing of the call until it is resumed, and ends what is in flight as a revocation does; the hold stays, so
   * that the same recording can go on without asking the store.
   */
  suspend(call: CallKey): void {
    if (this.#suspended.has(call)) return;
    const grant = this.#grants.get(call);
    const { clock } = this.#deps;
    const cancel = grant?.stop(clock, this.#drainMs(grant), 'RecordingStopped');
    this.#suspended.set(call, cancel ?? (() => undefined));
  }

  resume(call: CallKey): void {
    const cancel = this.#suspended.get(call);
    if (cancel === undefined) return;
    cancel();
    this.#suspended.delete(call);
    const grant = this.#grants.get(call);
    if (grant !== undefined) grant.stopReason = undefined;
  }

  /** Calls whose media moved here since this was asked last. */
  readonly moved = (): CallKey[] => this.grants.filter((grant) => grant.takeMoved()).map(({ call }) => call);

  /** What this instance admits now, and what is still ending. */
  readonly current = (): readonly Grant[] => [...this.#grants.values(), ...this.#draining];

  /** Tells the metrics of what has passed since they were told last. */
  countBytes(): void {
    let added = 0;
    for (const grant of this.current()) added += grant.takeUncounted();
    this.#deps.meter.liveBytesAdmitted(added);
  }

  /** Stops admitting before it returns; draining goes on in the background. */
  revoke(revocations: readonly Revocation[]): void {
    const now = this.#deps.clock.now();
    this.#forgetOldRevocations(now);
    for (const { call, epoch } of revocations) {
      const known = this.#revoked.get(call) ?? { epoch: 0, left: 0 };
      this.#revoked.set(call, { epoch: Math.max(known.epoch, epoch), at: now, left: known.left });
      const grant = this.#grants.get(call);
      this.#endRecording(call, epoch);
      if (grant !== undefined && grant.epoch <= epoch) this.#drain(grant);
      else if (this.#isLeaving(call, epoch)) continue;
      else if (grant !== undefined || known.left >= epoch) this.#done.set(call, { call, epoch });
      else this.#leaveUnused(call, epoch, now);
    }
  }

  /** What is still draining because this instance leaves belongs to a recording that ends now. */
  #endRecording(call: CallKey, epoch: number): void {
    for (const grant of this.#draining)
      if (grant.call === call && grant.epoch <= epoch) grant.stopReason = 'RecordingStopped';
  }

  /** The store counts this session as a holder, but the reply to its acquire was lost or is on its way. */
  #leaveUnused(call: CallKey, epoch: number, now: number): void {
    const session = this.session.id;
    if (session === undefined) return;
    const unused = new Grant(call, session, { epoch, binding: null }, now);
    unused.revokedAt = now;
    this.#startLeaving(unused, unused.tally('unused', null));
  }

  /** Tries again to leave calls whose store command failed; called with every heartbeat. */
  retryLeaving(): void {
    for (const leaving of this.#leaving) void this.#leave(leaving);
  }

  /** Ends everything in order: no new writes, drain, leave, quit. Bounded by the drain limit and the store's own limits. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const grant of [...this.#grants.values()]) this.#drain(grant);
    await Promise.all(
      [...this.#draining].map((grant) => new Promise<void>((resolve) => grant.whenOver(resolve))),
    );
    await Promise.all([...this.#leaving].map((leaving) => this.#leave(leaving)));
    await this.session.close();
  }

  #acquireOnce(call: CallKey): Promise<Decision<Grant>> {
    const pending = this.#acquiring.get(call);
    if (pending !== undefined) return pending;
    const acquiring = this.#acquire(call).finally(() => {
      if (this.#acquiring.get(call) === acquiring) this.#acquiring.delete(call);
    });
    this.#acquiring.set(call, acquiring);
    return acquiring;
  }

  async #acquire(call: CallKey): Promise<Decision<Grant>> {
    const session = this.session.id;
    if (session === undefined) return await this.#refuseUnheld(call);
    try {
      if (!this.#hasRoom()) return await this.#refuseForRoom(call);
      if (this.#stopMarks.needsTime) this.#stopMarks.timeIs((await this.#deps.calls.read(call)).now);
      const reply = await this.#deps.calls.acquire(call, session);
      if (reply.state !== 'recording') {
        this.closedCache.add(call);
        return refuse('RecordingNotActive');
      }
      const grant = new Grant(call, session, reply, openedAt(this.#deps, call, reply));
      // The reply may be late: the session may be another by now, or the epoch revoked (rule R1).
      const outdated = this.session.id !== session || reply.epoch <= (this.#revoked.get(call)?.epoch ?? 0);
      const stopWasHeard = this.#stopMarks.covers(call, reply);
      const isHeld = this.#holds.covers(reply);
      if (outdated || stopWasHeard || isHeld || this.#closing) {
        // While writes of the same hold are still ending, it is theirs to leave it.
        if (!this.#isDraining(grant)) this.#startLeaving(grant, grant.tally('unused', null));
        return refuse('RecordingNotActive');
      }
      this.#grants.set(call, grant);
      this.#report();
      return granted(grant);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#deps.log.warn({ call, error: messageOf(error) }, 'a write was refused: the store did not answer');
      return await this.#refuseUnheld(call);
    }
  }

  /**
   * This instance cannot hold the call now. After a stop the gate is closed here, whatever the store says; and a store
   * that only takes nobody in, since it is full, may still report that the call is not recorded.
   */
  async #refuseUnheld(call: CallKey): Promise<Decision<Grant>> {
    if (this.#stopMarks.isWaiting(call)) return refuse('RecordingNotActive');
    const view = await readInTime(this.#deps, call);
    if (view === undefined) return refuse('StoreUnavailable', { retryAfterMs: 1000 });
    const known = stateOf(view);
    if (known.state !== 'recording') this.closedCache.add(call);
    // The stop may be known here before the store has taken it.
    else if (!this.#stopMarks.covers(call, known) && !this.#holds.closes(known))
      return refuse('StoreUnavailable', { retryAfterMs: 1000 });
    return refuse('RecordingNotActive');
  }

  /** Asked before the store is: who becomes a holder and leaves again may do so late, and end a later hold. */
  #hasRoom(): boolean {
    return this.#grants.size + this.#acquiring.size < (this.#deps.sizes?.maxGrants ?? Infinity);
  }

  /** A status that is retried would turn early media into late media, so a closed gate is answered as such. */
  async #refuseForRoom(call: CallKey): Promise<Decision<Grant>> {
    const { state } = await this.#deps.calls.read(call);
    if (state?.state !== 'recording') return refuse('RecordingNotActive');
    return refuse('TooManyCalls', { retryAfterMs: 1000 });
  }

  #drain(grant: Grant): void {
    const { clock } = this.#deps;
    this.#grants.delete(grant.call);
    this.#draining.add(grant);
    this.#report();
    const began = clock.now();
    grant.revokedAt = began;
    grant.drain(clock, this.#drainMs(grant), this.#closing ? 'ShuttingDown' : 'RecordingStopped', () => {
      // Not draining any more: the deadline passed first, and has reported it.
      if (!this.#draining.delete(grant)) return;
      const drainMs = clock.now() - began;
      const left = !grant.wasCut ? 'drained' : grant.stopReason === 'ShuttingDown' ? 'shutDown' : 'cut';
      this.#deps.meter.drain(drainMs / 1000, left);
      this.#startLeaving(grant, grant.tally(left, Math.round(drainMs)));
    });
  }

  #drainMs({ binding }: Grant): number {
    const { policyFor, times } = this.#deps;
    return policyFor(binding).drainMs ?? times.drainMs;
  }

  #startLeaving(grant: Grant, tally: Tally): void {
    reportWrites(grant, this.#deps);
    const leaving = { grant, tally };
    this.#leaving.add(leaving);
    void this.#leave(leaving);
  }

  async #leave(leaving: Leaving): Promise<void> {
    const { grant, tally } = leaving;
    try {
      await this.#deps.calls.leave(grant.call, { session: grant.session, epoch: grant.epoch }, tally);
    } catch (error) {
      if (!isFault(error)) throw error;
      // Retried with the next heartbeat; until then the stop waits for this session, or waits it out.
      this.#deps.log.warn(
        { call: grant.call, error: messageOf(error) },
        'this instance could not be removed from the holders of a call in the store',
      );
      return;
    }
    this.#leaving.delete(leaving);
    // What another session left says nothing of the holders of this one.
    if (grant.session !== this.session.id) return;
    const revoked = this.#revoked.get(grant.call);
    if (revoked !== undefined) revoked.left = Math.max(revoked.left, grant.epoch);
    if (grant.revokedAt !== undefined) this.#done.set(grant.call, { call: grant.call, epoch: grant.epoch });
  }

  /** The deadline passed: nobody may rely on this instance's grants any more, whoever is to blame. */
  #expire(session: SessionId): void {
    const grants = this.current().filter((grant) => grant.session === session);
    this.#grants.clear();
    this.#acquiring.clear();
    this.#done.clear();
    for (const revoked of this.#revoked.values()) revoked.left = 0;
    this.#report();
    for (const grant of grants) {
      this.#draining.delete(grant);
      this.#deps.meter.drain(0, 'expired');
      grant.expire(this.#deps.clock, this.#drainMs(grant), () =>
        this.#startLeaving(grant, grant.tally('expired', null)),
      );
    }
  }

  #takeDone(): readonly Revocation[] {
    this.retryLeaving();
    const done = [...this.#done.values()];
    this.#done = new Map();
    return done;
  }

  #isLeaving(call: CallKey, epoch: number): boolean {
    const session = this.session.id;
    const concerns = (grant: Grant): boolean =>
      grant.call === call && grant.epoch <= epoch && grant.session === session;
    return [...this.#draining].some(concerns) || [...this.#leaving].some(({ grant }) => concerns(grant));
  }

  #isDraining({ call, session }: Grant): boolean {
    return [...this.#draining].some((grant) => grant.call === call && grant.session === session);
  }

  /** A reply to an acquire is dropped after the store's command limit, far below two TTLs. */
  #forgetOldRevocations(now: number): void {
    for (const [call, { at }] of this.#revoked)
      if (now - at > 2 * this.#deps.times.ttlMs && !this.#acquiring.has(call)) this.#revoked.delete(call);
  }

  #report(): void {
    this.#deps.meter.openGrants(this.#grants.size);
  }
}
