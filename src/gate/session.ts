import type { SessionId } from '../core/call/session.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { Revocation } from '../core/ports/session-store.ts';
import { type GateDeps, sessionTimes } from './context.ts';
import { StoreSweep } from './store-sweep.ts';

/** Callbacks of a session. All are synchronous: when they return, the instance has acted. */
export interface SessionOwner {
  /** Stop admitting for these calls at once. */
  take(revocations: readonly Revocation[]): void;
  /** The deadline passed or the session is gone: cut everything now. */
  expire(session: SessionId): void;
  /** Acts on the holds of the store once they have come. `unknown`: no gate may open; `new`: the store is to hear of it. */
  readHolds(session: SessionId): Promise<'unknown' | 'new' | 'same'>;
  /** Revocations whose call this session has left; reported to the store with the next heartbeat. */
  done(): readonly Revocation[];
}

/**
 * This instance's membership in the store: one heartbeat, whatever the number of calls.
 *
 * Rule R4: the deadline is the moment *before* the heartbeat was sent plus the TTL, and it moves only after the
 * revocations in the reply were taken. A lost session is never resumed: a new id, and every grant is dropped.
 */
export class Session {
  readonly #deps: GateDeps;
  readonly #owner: SessionOwner;
  #id: SessionId | undefined;
  /** Joined, but not live: it does not know the holds yet. */
  #joining: SessionId | undefined;
  #deadline = -Infinity;
  /** When the last heartbeat was sent that the store has answered, local clock. */
  #memberAt = -Infinity;
  #beating: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #cancelBeat: () => void = () => undefined;
  #cancelExpiry: () => void = () => undefined;
  #stopWake: () => void = () => undefined;
  #obstacle: string | undefined;
  #hasJoined = false;
  #mayWrite = false;
  readonly #storeSweep: StoreSweep;

  constructor(deps: GateDeps, owner: SessionOwner) {
    this.#deps = deps;
    this.#owner = owner;
    this.#storeSweep = new StoreSweep(deps);
  }

  /** Joins the store; if it does not answer now, goes on trying in the background. */
  async open(): Promise<void> {
    await this.heartbeat();
  }

  /** The id under which grants count now; undefined once the deadline has passed. */
  get id(): SessionId | undefined {
    return this.isLive() ? this.#id : undefined;
  }

  /** Why the store may not be joined as it is; undefined: nothing is known against it. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  /** Whether the store has ever taken this instance in; only then is it known that it may be written by this build. */
  get hasJoined(): boolean {
    return this.#hasJoined;
  }

  /** Whether the store has answered, and nothing is known against this instance but that the store is full. */
  get isUnopposed(): boolean {
    return this.#mayWrite;
  }

  isLive(): boolean {
    return this.#deps.clock.now() < this.#deadline;
  }

  /** Whether the store has taken this session in, or extended it, within so many ms, and has not refused one since. */
  wasMemberWithin(ms: number): boolean {
    return this.#obstacle === undefined && this.#deps.clock.now() - this.#memberAt < ms;
  }

  /** A heartbeat as soon as possible; when one is under way, another after it. */
  heartbeat(): Promise<void> {
    if (this.#beating !== undefined) {
      this.#again = true;
      return this.#beating;
    }
    this.#cancelBeat();
    this.#beating = this.#beatUntilQuiet().finally(() => {
      this.#beating = undefined;
      if (!this.#closed) {
        this.#cancelBeat = this.#deps.clock.after(this.#deps.times.ttlMs / 3, () => void this.heartbeat());
      }
    });
    return this.#beating;
  }

  /** Leaves the store. The owner has left every call before. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelBeat();
    await this.#beating;
    const id = this.#id ?? this.#joining;
    this.#forget();
    if (id === undefined) return;
    try {
      await this.#deps.sessions.quit(id);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#deps.log.debug(
        { session: id, error: messageOf(error) },
        'the session could not be ended; it will expire',
      );
    }
  }

  async #beatUntilQuiet(): Promise<void> {
    for (;;) {
      this.#again = false;
      try {
        await this.#beatOnce();
      } catch (error) {
        if (!isFault(error)) throw error;
        this.#deps.log.debug({ error: messageOf(error) }, 'a heartbeat failed');
      }
      if (!this.#mustBeatAgain()) return;
    }
  }

  #mustBeatAgain(): boolean {
    return this.#again && !this.#closed;
  }

  async #beatOnce(): Promise<void> {
    const { clock, sessions, times, log } = this.#deps;
    if (this.#id === undefined || !this.isLive()) {
      this.#expire();
      await this.#join();
      return;
    }
    const id = this.#id;
    const sentAt = clock.now();
    const reading = this.#owner.readHolds(id);
    // A session that is lost, or calls that are revoked, do not wait for it.
    reading.catch(() => undefined);
    const reply = await sessions.heartbeat(id, this.#owner.done());
    // The deadline may have passed while the reply was on its way: then everything was cut, and the reply is void.
    if (this.#id !== id || !this.isLive()) return;
    if (reply === 'lost') {
      log.warn({ session: id }, 'the store has lost the session of this instance; joining again');
      this.#expire();
      await this.#join();
      return;
    }
    this.#owner.take(reply);
    const holds = await reading;
    if (this.#id !== id || !this.isLive()) return;
    if (holds === 'unknown') {
      this.#expire();
      return;
    }
    if (holds === 'new') this.#again = true;
    this.#extend(sentAt + times.ttlMs);
    this.#storeSweep.run();
  }

  async #join(): Promise<void> {
    const { clock, sessions, times, newId, log, meter, observing } = this.#deps;
    if (this.#closed) return;
    const id = (this.#joining ??= newId());
    const sentAt = clock.now();
    const terms = { ...sessionTimes(times), observation: observing.terms };
    const joined = await sessions.join(id, terms);
    this.#mayWrite = joined === 'joined' || joined.why === 'full';
    if (joined !== 'joined') {
      this.#refused(joined.text);
      return;
    }
    this.#refused(undefined);
    this.#hasJoined = true;
    // After it has joined: what is set from now on is not acknowledged before it knows.
    const holds = await this.#owner.readHolds(id);
    if (holds === 'unknown') return;
    if (holds === 'new') this.#again = true;
    this.#joining = undefined;
    this.#id = id;
    this.#extend(sentAt + times.ttlMs);
    meter.session(this.isLive());
    log.info({ session: id }, 'joined the store');
    const stopWake = await sessions.onWake(id, (revocation) => this.#woken(id, revocation));
    if (this.#id === id) this.#stopWake = stopWake;
    else stopWake();
  }

  /** Told once, and again when it has changed. */
  #refused(why: string | undefined): void {
    if (why !== undefined && why !== this.#obstacle)
      this.#deps.log.error({}, `this instance cannot join the store; its gates stay closed: ${why}`);
    this.#obstacle = why;
  }

  /** Heartbeats repeat what is revoked until the store knows that it is done. */
  #woken(id: SessionId, revocation: Revocation | undefined): void {
    if (revocation === undefined) void this.heartbeat();
    else if (this.#id === id) this.#owner.take([revocation]);
  }

  #extend(deadline: number): void {
    this.#deadline = deadline;
    this.#memberAt = deadline - this.#deps.times.ttlMs;
    this.#awaitExpiry();
  }

  #awaitExpiry(): void {
    const { clock } = this.#deps;
    this.#cancelExpiry();
    this.#cancelExpiry = clock.after(Math.max(0, this.#deadline - clock.now()), () => {
      // Timers may fire a fraction of a millisecond early.
      if (this.isLive()) {
        this.#awaitExpiry();
        return;
      }
      this.#expire();
      void this.heartbeat();
    });
  }

  #expire(): void {
    const id = this.#id;
    if (id === undefined) return;
    this.#forget();
    this.#deps.meter.session(false);
    this.#deps.log.warn(
      { session: id },
      'the session expired: all gates of this instance are closed and its writes are aborted',
    );
    this.#owner.expire(id);
  }

  #forget(): void {
    this.#id = undefined;
    this.#deadline = -Infinity;
    this.#cancelExpiry();
    this.#stopWake();
    this.#stopWake = () => undefined;
  }
}
