import { lineKinds } from '../core/call/evidence-lines.ts';
import { type HoldAct, type HoldScope, type StandingHold, withAct } from '../core/call/hold.ts';
import { type Decision, grant, refuse } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import type { HoldsView } from '../core/ports/hold-store.ts';
import { type Act, type HoldChange, isReason } from './by-hand.ts';
import { asRefusal } from './change.ts';
import { type GateDeps, sleep } from './context.ts';
import type { Holds } from './holds.ts';

const maxStanding = 1000;
/** Other instances change the holds as well; each loser looks again. */
const attempts = 20;
const firstPauseMs = 200;
const longestPauseMs = 5000;
const lookAgainMs = 50;
/** Clocks of two processes may drift apart by so much while a session is waited out. */
const drift = 1.25;

/** What the store took. */
interface Stored {
  readonly act: HoldAct;
  readonly life: string;
  /** Its entry in the outbox. */
  readonly entry: string;
  /** Local clock: every session that does not act on it was extended before. */
  readonly at: number;
}

interface HoldActsDeps {
  readonly gate: GateDeps;
  readonly holds: Holds;
  readonly instance: () => string;
  /** Extends this instance's session, which acknowledges at once. */
  readonly heartbeat: () => void;
  /** Ends recordings that the hold closes and that no instance holds. */
  readonly sweep: () => void;
}

/** Sets and releases holds (docs/design/rules.md). */
export class HoldActs {
  readonly #deps: HoldActsDeps;
  #closed = false;

  constructor(deps: HoldActsDeps) {
    this.#deps = deps;
  }

  close(): void {
    this.#closed = true;
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  async hold({ scope, reason, by }: Act & { readonly scope: HoldScope }): Promise<Decision<HoldChange>> {
    const { gate, holds } = this.#deps;
    if (!isReason(reason)) return refuse('HoldInvalid');
    if (holds.standing.length >= maxStanding) return refuse('TooManyHolds');
    const id = gate.newId();
    const operation = gate.newId();
    holds.ask({ id, number: 0, scope, reason, by, at: holds.storeTime });
    const act = { act: 'set', id, scope, reason, by, closedUpTo: null } as const;
    const set = (): Promise<Decision<Stored>> => this.#store(operation, () => grant(act));
    const stored = await set();
    if (stored.ok) return grant(await this.#settled(stored.value));
    void this.#repeat(id, set);
    return {
      ...stored,
      detail: `the hold is in force on this instance (${id}), which repeats it until the store has it; until then other instances do not know it`,
    };
  }

  async release(id: string, { reason, by }: Act): Promise<Decision<HoldChange>> {
    const { gate, holds } = this.#deps;
    if (!isReason(reason)) return refuse('HoldInvalid');
    const operation = gate.newId();
    try {
      const known = await this.#find(id);
      if (known === undefined) return refuse('HoldNotFound');
      const { scope } = known.hold;
      // Whoever does not act on it yet could begin a recording that the release would not close.
      await this.#acted(known.life, known.number, gate.clock.now());
      const closedUpTo = await gate.holds.newestTime();
      const act = { act: 'released', id, scope, reason, by, closedUpTo } as const;
      const stored = await this.#store(operation, ({ registry }) =>
        registry.standing.some((one) => one.id === id) ? grant(act) : refuse('HoldNotFound'),
      );
      if (!stored.ok) return stored;
      holds.stored(id);
      return grant(await this.#settled(stored.value));
    } catch (error) {
      return asRefusal(error);
    }
  }

  /** The hold as the store has it. */
  async #find(
    id: string,
  ): Promise<{ readonly hold: StandingHold; readonly life: string; readonly number: number } | undefined> {
    const { registry, life } = await this.#deps.holds.view();
    const hold = registry.standing.find((one) => one.id === id);
    return hold && { hold, life, number: registry.number };
  }

  /** One attempt with its evidence, as often as others are faster. */
  async #store(
    operation: string,
    propose: (view: HoldsView) => Decision<Omit<HoldAct, 'number' | 'at'>>,
  ): Promise<Decision<Stored>> {
    const { gate, holds, instance } = this.#deps;
    try {
      for (let attempt = 0; attempt < attempts; attempt++) {
        const view = await holds.view();
        if (!view.isKnown) return refuse('HoldsUnknown', { retryAfterMs: 1000 });
        const proposed = propose(view);
        if (!proposed.ok) return proposed;
        const { registry, life } = view;
        const act: HoldAct = {
          ...proposed.value,
          number: registry.number + 1,
          at: new Date(view.clock).toISOString(),
        };
        const known = registry.standing.find(({ id }) => act.act === 'set' && id === act.id);
        // An earlier attempt took effect though its reply was lost.
        if (known !== undefined)
          return grant({ act: { ...act, number: known.number }, life, entry: '', at: gate.clock.now() });
        const line = { ...act, version: lineKinds.hold.version, instance: instance() };
        const entry = await gate.holds.commit({
          ...{ expected: registry.number, life, operation, line },
          registry: withAct(registry, act),
        });
        if (entry !== undefined) return grant({ act, life, entry, at: gate.clock.now() });
      }
    } catch (error) {
      return asRefusal(error);
    }
    return refuse('StoreUnavailable', { retryAfterMs: 1000 });
  }

  /** Until the store has it: it is in force here meanwhile. */
  async #repeat(id: string, set: () => Promise<Decision<Stored>>): Promise<void> {
    const { gate, holds } = this.#deps;
    const { log, clock } = gate;
    log.error(
      { hold: id },
      'a hold could not be stored; it is in force on this instance alone, and is repeated',
    );
    for (let pauseMs = firstPauseMs; !this.#isClosed(); pauseMs = Math.min(longestPauseMs, 2 * pauseMs)) {
      await sleep(clock, pauseMs);
      if (this.#isClosed()) return;
      try {
        const stored = await set();
        if (!stored.ok) continue;
        await this.#settled(stored.value);
        log.info({ hold: id }, 'a hold that was repeated is stored');
        return;
      } catch (error) {
        log.error(
          { hold: id, error: messageOf(error) },
          'a hold that is repeated failed with an internal error',
        );
      }
    }
    holds.stored(id);
  }

  /** Everybody is told, and waited for. */
  async #settled({ act, life, entry, at }: Stored): Promise<HoldChange> {
    const { gate, holds, heartbeat, sweep } = this.#deps;
    const isRead = await this.#read();
    if (isRead) holds.stored(act.id);
    else void this.#readLater(act.id);
    heartbeat();
    if (act.act === 'set') sweep();
    const { id, number, scope, reason, by, at: when } = act;
    const [acted, isDurable] = await Promise.all([
      this.#acted(life, number, at),
      this.#durable(life, entry, at),
    ]);
    gate.log.info(
      { hold: id, number, act: act.act, acknowledged: acted && isDurable },
      act.act === 'set' ? 'a hold was set' : 'a hold was released',
    );
    return { hold: { id, number, scope, reason, by, at: when }, acknowledged: acted && isDurable };
  }

  /** Whether this instance acts on what the store has by now. */
  #read(): Promise<boolean> {
    return this.#deps.holds.read(null).then(
      () => true,
      (error: unknown) => asRefusal(error).ok,
    );
  }

  /** A hold that was asked for here stays in force until it is read from the store. */
  async #readLater(id: string): Promise<void> {
    const { gate, holds } = this.#deps;
    try {
      do await sleep(gate.clock, lookAgainMs);
      while (!this.#isClosed() && !(await this.#read()));
      if (!this.#isClosed()) holds.stored(id);
    } catch (error) {
      gate.log.error(
        { hold: id, error: messageOf(error) },
        'a hold could not be read back; it stays in force on this instance',
      );
    }
  }

  /** Whether every session acts on it, or was extended before for the last time: its deadline has passed. */
  async #acted(life: string, number: number, since: number): Promise<boolean> {
    const { clock, times, holds } = this.#deps.gate;
    const { ttlMs, ttlMaxMs = ttlMs } = times;
    for (;;) {
      const passedMs = clock.now() - since;
      if (passedMs >= drift * ttlMaxMs) return true;
      const behind = await holds.behind({ life, number }).catch(asUnknown);
      if (behind?.every((session) => passedMs >= drift * session.ttlMs) === true) return true;
      await sleep(clock, lookAgainMs);
    }
  }

  /** Whether its line is durable, as far as that can be seen within one TTL. */
  async #durable(life: string, entry: string, since: number): Promise<boolean> {
    const { clock, times, holds } = this.#deps.gate;
    while (entry !== '' && clock.now() - since < times.ttlMs) {
      const isWaiting = await holds.isWaiting(entry).catch(asUnknown);
      // A store that has lost its data has lost the line.
      if (isWaiting === false) return (await holds.read(null, null).catch(asUnknown))?.life === life;
      await sleep(clock, lookAgainMs);
    }
    return false;
  }
}

/** The store does not answer; anything else is thrown. */
const asUnknown = (error: unknown): undefined => void asRefusal(error);
