import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import type { PrimaryMeter } from '../../metrics/metrics.ts';
import type { WorkerMetrics } from '../../metrics/workers.ts';
import { shutdownMs } from '../shutdown.ts';
import { pingIntervalMs, missedRounds } from './liveness.ts';
import type { WorkerConfig } from './messages.ts';
import { type Exit, WorkerProcess, type WorkerState } from './worker-process.ts';

/** How long a new worker may take until it could open gates. */
const readyMs = 30_000;
/** The same for one that is missed: without the store it carries signalling at least. */
const soonReadyMs = 1000;
const probeEveryMs = 50;
/** How long an answer of a worker is waited for. */
export const answerMs = 1500;
/** In which so many unexpected ends are too many. */
const deathsWithinMs = 60_000;
const firstPauseMs = 100;
const longestPauseMs = 5000;
/** A worker bounds its own end; beyond that it hangs. */
const marginMs = 5000;

interface FleetDeps {
  readonly size: number;
  readonly log: Log;
  readonly meter: PrimaryMeter;
  readonly numbers: WorkerMetrics;
  /** Workers die faster than it makes sense to replace them; told once or more. */
  readonly onHopeless: (why: string) => void;
}

/** Keeps so many workers serving: replaces those that die, and renews all of them without a gap. */
export class WorkerPool {
  readonly #deps: FleetDeps;
  readonly #members = new Set<WorkerProcess>();
  /** What a worker gets that replaces one which died. */
  #charge: WorkerConfig;
  /** What all are to work by. */
  #wanted: WorkerConfig;
  #renewing: Promise<boolean> | undefined;
  /** When workers died, ms. */
  #deaths: number[] = [];
  #retired = false;
  #closing = false;
  readonly #pulse: NodeJS.Timeout;
  #endedWell = true;

  constructor(charge: WorkerConfig, deps: FleetDeps) {
    this.#charge = charge;
    this.#wanted = charge;
    this.#deps = deps;
    this.#pulse = setInterval(() => this.#feelPulses(performance.now()), pingIntervalMs);
  }

  /** Returns where bots see the workers; rejects if one ends before it listens. */
  async start(): Promise<string> {
    // One alone at first, so that what is wrong for all is said once.
    const url = await this.#begun(this.#fork(this.#charge));
    if (this.#closing) throw new Fault('Internal', 'the start was aborted by a shutdown');
    const others = Array.from({ length: this.#deps.size - 1 }, () => this.#fork(this.#charge));
    await Promise.all(others.map((member) => this.#begun(member)));
    return url;
  }

  /** The workers in these states, the oldest first. */
  of(...states: readonly WorkerState[]): WorkerProcess[] {
    return [...this.#members].filter(({ state }) => states.includes(state));
  }

  /**
   * Replaces the workers by others with this charge: each of these must be able to open gates before an old one is told
   * to leave. One that cannot ends the attempt; false then, and the old ones that are left stay.
   */
  renew(charge: WorkerConfig): Promise<boolean> {
    this.#wanted = charge;
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** The process will end: workers serve on, and ask clients to connect anew. One that ends well now is not replaced. */
  retire(): void {
    this.#retired = true;
    for (const member of this.#members) member.tell({ kind: 'retire' });
  }

  /** Ends every worker as an instance alone ends on SIGTERM; false: not each of them ended well. */
  async close(): Promise<boolean> {
    this.#closing = true;
    for (const member of this.#members) member.tell({ kind: 'close' });
    const force = setTimeout(() => {
      for (const member of this.#members) member.kill();
    }, shutdownMs + marginMs);
    const allGone = Promise.all([...this.#members].map(({ gone }) => gone));
    // Not even SIGKILL ends a process that waits for a disk which does not answer.
    const ended = await Promise.race([
      allGone.then(() => this.#endedWell),
      sleep(shutdownMs + 2 * marginMs, false, { ref: false }),
    ]);
    clearTimeout(force);
    clearInterval(this.#pulse);
    return ended;
  }

  #fork(charge: WorkerConfig, { onTrial = false } = {}): WorkerProcess {
    const { numbers } = this.#deps;
    const member = new WorkerProcess(charge, {
      onTrial,
      readyWithinMs: onTrial ? readyMs : soonReadyMs,
      onFarewell: (id, samples) => numbers.add(id, samples),
    });
    this.#members.add(member);
    if (this.#retired) member.tell({ kind: 'retire' });
    this.#count();
    void member.listening.then((url) => {
      if (url === undefined || member.state !== 'starting') return;
      member.state = 'serving';
      this.#count();
    });
    void member.gone.then((exit) => this.#gone(member, exit));
    return member;
  }

  async #begun(member: WorkerProcess): Promise<string> {
    const url = await member.listening;
    if (url === undefined) throw new Fault('Internal', 'a worker ended before it was listening');
    return url;
  }

  #gone(member: WorkerProcess, exit: Exit): void {
    const { log, meter, numbers } = this.#deps;
    this.#members.delete(member);
    this.#count();
    void numbers.remove(member.id);
    const endedWell = exit.code === 0;
    // A signal to the whole group reaches workers as well, whose delay may end before that of this process.
    const asked = member.state === 'leaving' || this.#closing || (this.#retired && endedWell);
    meter.workerExit(member.isHung ? 'hung' : asked ? 'asked' : 'unexpected');
    const facts = { of: member.id, ...exit };
    if (asked && endedWell) log.info(facts, 'a worker has exited');
    else log.error(facts, asked ? 'a worker exited with an error' : 'a worker exited unexpectedly');
    if (this.#closing && !endedWell) this.#endedWell = false;
    if (!asked && !member.onTrial) this.#replaceSoon();
  }

  /**
   * Kills workers that hang: each may hold the evidence directory, and connections that nobody answers. A worker that is
   * killed is replaced at once, whether the system can end it or not.
   */
  #feelPulses(now: number): void {
    for (const member of this.#members) {
      if (member.isHung || member.checkLiveness(now)) continue;
      const { state, onTrial } = member;
      const seconds = (missedRounds[state] * pingIntervalMs) / 1000;
      this.#deps.log.error({ of: member.id, seconds }, 'a worker does not respond and is killed');
      member.isHung = true;
      member.state = 'leaving';
      member.kill();
      this.#count();
      if (state !== 'leaving' && !this.#closing && !onTrial) this.#replaceSoon();
    }
  }

  /** At once after one death, later and later after more, and in the end not at all. */
  #replaceSoon(): void {
    const { size, onHopeless } = this.#deps;
    const now = performance.now();
    this.#deaths = [...this.#deaths.filter((at) => now - at < deathsWithinMs), now];
    const { length } = this.#deaths;
    if (length > 2 * size + 3) {
      onHopeless(
        `${length} workers exited unexpectedly within ${deathsWithinMs / 1000} s; the process exits (crash-loop protection)`,
      );
      return;
    }
    setTimeout(() => this.#fill(), Math.min(longestPauseMs, firstPauseMs * 2 ** (length - 1)));
  }

  #fill(): void {
    const missed = (): boolean =>
      this.of('starting', 'serving').filter(({ onTrial }) => !onTrial).length < this.#deps.size;
    while (!this.#closing && missed()) this.#fork(this.#charge);
  }

  async #renew(): Promise<boolean> {
    while (this.#outdated() !== undefined) {
      await this.#roomForOneMore();
      if (this.#closing) return false;
      const charge = this.#wanted;
      const fresh = this.#fork(charge, { onTrial: true });
      if (!(await this.#mayOpenGates(fresh))) {
        this.#leave(fresh, 0);
        if (this.#wanted !== charge) continue;
        this.#deps.log.error(
          { of: fresh.id, old: this.of('serving').filter((member) => member.config !== charge).length },
          'a new worker cannot open gates and is shut down; the old workers keep serving',
        );
        return false;
      }
      fresh.onTrial = false;
      this.#charge = charge;
      const old = this.of('serving', 'starting').find((member) => member.config !== charge);
      if (old !== undefined) this.#leave(old, charge.settings.workers?.leaveMs ?? 0);
    }
    return !this.#closing;
  }

  #outdated(): WorkerProcess | undefined {
    return this.of('starting', 'serving').find((member) => member.config !== this.#wanted);
  }

  /** As many may leave at a time as serve. */
  async #roomForOneMore(): Promise<void> {
    for (;;) {
      const leaving = this.of('leaving');
      if (leaving.length < this.#deps.size) return;
      await Promise.race(leaving.map(({ gone }) => gone));
    }
  }

  async #mayOpenGates(member: WorkerProcess): Promise<boolean> {
    const end = performance.now() + readyMs;
    const late = sleep(readyMs, undefined, { ref: false });
    if ((await Promise.race([member.listening, late])) === undefined) return false;
    while (performance.now() < end && this.#members.has(member) && !this.#closing) {
      const ready = await member.ask('readiness', answerMs);
      // A store that began anew keeps the gates of the old workers closed as well.
      if (ready?.gates === true || ready?.obstacles?.every(({ code }) => code === 'StoreFresh')) return true;
      await sleep(probeEveryMs);
    }
    return false;
  }

  #leave(member: WorkerProcess, withinMs: number): void {
    member.state = 'leaving';
    this.#count();
    member.tell({ kind: 'leave', withinMs });
    const force = setTimeout(() => member.kill(), withinMs + shutdownMs + marginMs);
    void member.gone.then(() => clearTimeout(force));
  }

  #count(): void {
    const number = (state: WorkerState): number => this.of(state).length;
    this.#deps.meter.workers({
      starting: number('starting'),
      serving: number('serving'),
      leaving: number('leaving'),
    });
  }
}
