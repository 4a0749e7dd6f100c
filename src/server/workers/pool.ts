import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import type { PrimaryMeter } from '../../metrics/metrics.ts';
import type { WorkerMetrics } from '../../metrics/workers.ts';
import { exitCode } from '../exit-codes.ts';
import { shutdownMs } from '../shutdown.ts';
import { pingIntervalMs, missedPingsAllowed } from './liveness.ts';
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

interface WorkerPoolDeps {
  readonly size: number;
  readonly log: Log;
  readonly meter: PrimaryMeter;
  readonly metrics: WorkerMetrics;
  /** Workers crash in a loop; called once or more. */
  readonly onCrashLoop: (why: string) => void;
}

/** The kind of a fault is in the exit code; its text is on standard error, where the worker wrote it. */
function endedEarly({ code, signal }: Exit): Fault {
  const kind = (['configuration', 'cannotStart'] as const).find((each) => exitCode(each) === code);
  const message = `a worker ended before it listened (${signal ?? `exit code ${code ?? 'unknown'}`})`;
  if (kind === undefined) return new Fault('Internal', message);
  return new Fault(kind === 'configuration' ? 'ConfigurationInvalid' : 'CannotStart', message);
}

/** Keeps so many workers serving: replaces those that die, and renews all of them without a gap. */
export class WorkerPool {
  readonly #deps: WorkerPoolDeps;
  readonly #workers = new Set<WorkerProcess>();
  /** What a worker gets that replaces one which died. */
  #config: WorkerConfig;
  /** What all are to work by. */
  #wanted: WorkerConfig;
  #renewing: Promise<boolean> | undefined;
  /** When workers died, ms. */
  #deaths: number[] = [];
  #retired = false;
  #closing = false;
  readonly #pinging: NodeJS.Timeout;
  #endedWell = true;

  constructor(config: WorkerConfig, deps: WorkerPoolDeps) {
    this.#config = config;
    this.#wanted = config;
    this.#deps = deps;
    this.#pinging = setInterval(() => this.#checkAll(performance.now()), pingIntervalMs);
  }

  /** Returns where bots see the workers; rejects if one ends before it listens, with the kind of fault that ended it. */
  async start(): Promise<string> {
    // One alone at first, so that what is wrong for all is said once.
    const url = await this.#begun(this.#fork(this.#config));
    if (this.#closing) throw new Fault('Internal', 'the start was aborted by a shutdown');
    const others = Array.from({ length: this.#deps.size - 1 }, () => this.#fork(this.#config));
    await Promise.all(others.map((worker) => this.#begun(worker)));
    return url;
  }

  /** The workers in these states, the oldest first. */
  of(...states: readonly WorkerState[]): WorkerProcess[] {
    return [...this.#workers].filter(({ state }) => states.includes(state));
  }

  /**
   * Replaces the workers by others with this config: each of these must be able to open gates before an old one is asked
   * to leave. One that cannot ends the attempt; false then, and the old ones that are left stay.
   */
  renew(config: WorkerConfig): Promise<boolean> {
    this.#wanted = config;
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** The process will end: workers serve on, and ask clients to connect anew. One that ends well now is not replaced. */
  retire(): void {
    this.#retired = true;
    for (const worker of this.#workers) worker.send({ kind: 'retire' });
  }

  /** Ends every worker as an instance alone ends on SIGTERM; false: not each of them ended well. */
  async close(): Promise<boolean> {
    this.#closing = true;
    for (const worker of this.#workers) worker.send({ kind: 'close' });
    const force = setTimeout(() => {
      for (const worker of this.#workers) worker.kill();
    }, shutdownMs + marginMs);
    const allGone = Promise.all([...this.#workers].map(({ gone }) => gone));
    // Not even SIGKILL ends a process that waits for a disk which does not answer.
    const ended = await Promise.race([
      allGone.then(() => this.#endedWell),
      sleep(shutdownMs + 2 * marginMs, false, { ref: false }),
    ]);
    clearTimeout(force);
    clearInterval(this.#pinging);
    return ended;
  }

  #fork(config: WorkerConfig, { onTrial = false } = {}): WorkerProcess {
    const { metrics } = this.#deps;
    const worker = new WorkerProcess(config, {
      onTrial,
      readyWithinMs: onTrial ? readyMs : soonReadyMs,
      onFinalMetrics: (id, samples) => metrics.add(id, samples),
    });
    this.#workers.add(worker);
    if (this.#retired) worker.send({ kind: 'retire' });
    this.#count();
    void worker.listening.then((url) => {
      if (url === undefined || worker.state !== 'starting') return;
      worker.state = 'serving';
      this.#count();
    });
    void worker.gone.then((exit) => this.#gone(worker, exit));
    return worker;
  }

  async #begun(worker: WorkerProcess): Promise<string> {
    const url = await worker.listening;
    if (url === undefined) throw endedEarly(await worker.gone);
    return url;
  }

  #gone(worker: WorkerProcess, exit: Exit): void {
    const { log, meter, metrics } = this.#deps;
    this.#workers.delete(worker);
    this.#count();
    void metrics.remove(worker.id);
    const endedWell = exit.code === 0;
    // A signal to the whole group reaches workers as well, whose delay may end before that of this process.
    const asked = worker.state === 'leaving' || this.#closing || (this.#retired && endedWell);
    meter.workerExit(worker.isHung ? 'hung' : asked ? 'asked' : 'unexpected');
    const facts = { of: worker.id, ...exit };
    if (asked && endedWell) log.info(facts, 'a worker has exited');
    else log.error(facts, asked ? 'a worker exited with an error' : 'a worker exited unexpectedly');
    if (this.#closing && !endedWell) this.#endedWell = false;
    if (!asked && !worker.onTrial) this.#replaceSoon();
  }

  /**
   * Kills workers that hang: each may hold the evidence directory, and connections that nobody answers. A worker that is
   * killed is replaced at once, whether the system can end it or not.
   */
  #checkAll(now: number): void {
    for (const worker of this.#workers) {
      if (worker.isHung || worker.checkLiveness(now)) continue;
      const { state, onTrial } = worker;
      const seconds = (missedPingsAllowed[state] * pingIntervalMs) / 1000;
      this.#deps.log.error({ of: worker.id, seconds }, 'a worker does not respond and is killed');
      worker.isHung = true;
      worker.state = 'leaving';
      worker.kill();
      this.#count();
      if (state !== 'leaving' && !this.#closing && !onTrial) this.#replaceSoon();
    }
  }

  /** At once after one death, later and later after more, and in the end not at all. */
  #replaceSoon(): void {
    const { size, onCrashLoop } = this.#deps;
    const now = performance.now();
    this.#deaths = [...this.#deaths.filter((at) => now - at < deathsWithinMs), now];
    const { length } = this.#deaths;
    if (length > 2 * size + 3) {
      onCrashLoop(
        `${length} workers ended within ${deathsWithinMs / 1000} s: the process exits (crash-loop protection)`,
      );
      return;
    }
    setTimeout(() => this.#fill(), Math.min(longestPauseMs, firstPauseMs * 2 ** (length - 1)));
  }

  #fill(): void {
    const missed = (): boolean =>
      this.of('starting', 'serving').filter(({ onTrial }) => !onTrial).length < this.#deps.size;
    while (!this.#closing && missed()) this.#fork(this.#config);
  }

  async #renew(): Promise<boolean> {
    while (this.#outdated() !== undefined) {
      await this.#roomForOneMore();
      if (this.#closing) return false;
      const config = this.#wanted;
      const fresh = this.#fork(config, { onTrial: true });
      if (!(await this.#mayOpenGates(fresh))) {
        this.#leave(fresh, 0);
        if (this.#wanted !== config) continue;
        this.#deps.log.error(
          { of: fresh.id, old: this.of('serving').filter((worker) => worker.config !== config).length },
          'a new worker cannot open gates and is shut down; the old workers keep serving',
        );
        return false;
      }
      fresh.onTrial = false;
      this.#config = config;
      const old = this.of('serving', 'starting').find((worker) => worker.config !== config);
      if (old !== undefined) this.#leave(old, config.settings.workers?.leaveMs ?? 0);
    }
    return !this.#closing;
  }

  #outdated(): WorkerProcess | undefined {
    return this.of('starting', 'serving').find((worker) => worker.config !== this.#wanted);
  }

  /** As many may leave at a time as serve. */
  async #roomForOneMore(): Promise<void> {
    for (;;) {
      const leaving = this.of('leaving');
      if (leaving.length < this.#deps.size) return;
      await Promise.race(leaving.map(({ gone }) => gone));
    }
  }

  async #mayOpenGates(worker: WorkerProcess): Promise<boolean> {
    const end = performance.now() + readyMs;
    const late = sleep(readyMs, undefined, { ref: false });
    if ((await Promise.race([worker.listening, late])) === undefined) return false;
    while (performance.now() < end && this.#workers.has(worker) && !this.#closing) {
      const ready = await worker.ask('readiness', answerMs);
      // A store that began anew keeps the gates of the old workers closed as well.
      if (ready?.gates === true || ready?.obstacles?.every(({ code }) => code === 'StoreFresh')) return true;
      await sleep(probeEveryMs);
    }
    return false;
  }

  #leave(worker: WorkerProcess, withinMs: number): void {
    worker.state = 'leaving';
    this.#count();
    worker.send({ kind: 'leave', withinMs });
    const force = setTimeout(() => worker.kill(), withinMs + shutdownMs + marginMs);
    void worker.gone.then(() => clearTimeout(force));
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
