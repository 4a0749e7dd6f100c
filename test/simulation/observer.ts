import type { CallKey } from '../../src/core/call/key.ts';
import type { GateTimes } from '../../src/gate/context.ts';
import type { Engine, Process } from './engine.ts';

/** What Graph and the media sink together know of a call. */
interface Light {
  /** Graph has answered a `recording` with success, and has received no stop since it received that request. */
  isOn: boolean;
  /** When Graph received the last stop, in its own count of requests. */
  stoppedAt: number;
  stops: number;
  /** Graph itself has ended the call: there is nothing left that a banner could be shown in. */
  isOver: boolean;
  readonly stored: Map<number, number>;
}

/** A stop that a process has heard. */
interface Heard {
  /** Of this recording of its call and of those before it. */
  readonly recording: number;
  readonly at: number;
  /** Until when it closes: who announces a stop without knowing which recording is meant announces it again. */
  readonly until: number;
  /** For how long the process had been suspended by then, ms. */
  readonly suspendedMs: number;
}

/** Clocks of processes may be slow by a tenth, and timers are early or late by a little. */
const slow = 1.15;
const slackMs = 50;

/**
 * Sees what Graph received and answered and what the media sink stored, and judges both laws by it; and what processes
 * were asked and let in, and judges rule R6 by that.
 */
export class Observer {
  readonly #engine: Engine;
  readonly #lights = new Map<CallKey, Light>();
  /** At how many stops of its call each upload had stored its first byte. */
  readonly #firstBytes = new Map<number, number>();
  readonly #times: GateTimes;
  /** Epochs of the recordings of a call, oldest first: a store that has lost its data may tell lower ones than before. */
  readonly #epochs = new Map<CallKey, number[]>();
  readonly #heard = new Map<Process, Map<CallKey, Heard>>();
  /** Recordings that began before the store lost data: up to which one, and when that was. */
  readonly #forgotten = new Map<CallKey, { readonly recording: number; readonly at: number }>();
  /** Holds that every instance acts on, with the calls that each closes. */
  readonly #held = new Map<string, (call: CallKey) => boolean>();
  /** Recordings of each call that had begun when a hold was in force. */
  readonly #closedByHold = new Map<CallKey, number>();
  #forgotAt = -Infinity;
  /** Since when no session can be extended. */
  #standsSince = Infinity;
  readonly #observesUntil: number;
  #observed = 0;
  #requests = 0;
  bytes = 0;

  /** `observesUntil`: from then on, in true time, nothing may be observed any more. */
  constructor(engine: Engine, times: GateTimes, observesUntil = -Infinity) {
    this.#engine = engine;
    this.#times = times;
    this.#observesUntil = observesUntil;
  }

  /** A start was stored. */
  started(call: CallKey, epoch: number): void {
    this.#epochs.set(call, [...this.#epochsOf(call), epoch]);
  }

  /** A process was asked for a stop, or heard that another was: of every recording so far, if nothing else is said. */
  heard(process: Process, call: CallKey, { upTo = Infinity, forMs = Infinity } = {}): void {
    const recording = Math.min(upTo, this.#epochsOf(call).length);
    const until = this.#engine.now + forMs / slow - slackMs;
    const calls = this.#heard.get(process) ?? new Map<CallKey, Heard>();
    this.#heard.set(process, calls);
    const known = calls.get(call);
    const isNew = known === undefined || known.recording < recording || known.until < this.#engine.now;
    if (isNew || (known.recording === recording && known.until < until))
      calls.set(call, {
        recording,
        at: isNew ? this.#engine.now : known.at,
        until,
        suspendedMs: isNew ? process.suspendedMs : known.suspendedMs,
      });
  }

  /** Up to which recording a process was asked for a stop itself; Infinity: that is not known. */
  heardUpTo(process: Process | undefined, call: CallKey): number {
    return (process && this.#heard.get(process)?.get(call)?.recording) ?? Infinity;
  }

  /** Which recording of its call an epoch means; 0: none of them. */
  recordingOf(call: CallKey, epoch: number): number {
    return this.#epochsOf(call).lastIndexOf(epoch) + 1;
  }

  #epochsOf(call: CallKey): readonly number[] {
    return this.#epochs.get(call) ?? [];
  }

  /** Whether the store is there for heartbeats. */
  storeExtends(does: boolean): void {
    this.#standsSince = does ? Infinity : Math.min(this.#standsSince, this.#engine.now);
  }

  /** The store has lost data just now, or began without any. */
  storeForgot(): void {
    this.#forgotAt = this.#engine.now;
    for (const [call, { length }] of this.#epochs)
      if (length > (this.#forgotten.get(call)?.recording ?? 0))
        this.#forgotten.set(call, { recording: length, at: this.#engine.now });
  }

  /** A status change has left a process for Graph. */
  sent(process: Process, asked: string): void {
    const { ttlMs, graphTimeoutMs } = this.#times;
    const passedMs = this.#engine.now - this.#forgotAt;
    // What was stored before may be sent for one Graph timeout.
    const isNew = passedMs > slow * graphTimeoutMs + slackMs;
    if (isNew && passedMs < Math.max(ttlMs, 3 * graphTimeoutMs) / slow - slackMs)
      this.#engine.violated(
        `rule R2: ${process.name} sends ${asked} before what the store has forgotten is over`,
      );
  }

  /** The operator was told that every instance acts on a hold. */
  held(id: string, closes: (call: CallKey) => boolean): void {
    this.#held.set(id, closes);
    for (const [call, { length }] of this.#epochs) if (closes(call)) this.#closedByHold.set(call, length);
  }

  /** The operator has asked for its release. */
  released(id: string): void {
    this.#held.delete(id);
  }

  /** A process has let an upload in. */
  admitted(process: Process, call: CallKey, epoch: number): void {
    const recording = this.recordingOf(call, epoch);
    const heard = this.#heard.get(process)?.get(call);
    if (heard !== undefined && recording <= heard.recording && this.#engine.now < heard.until)
      this.#engine.violated(`rule R6: ${process.name} lets in what it has heard a stop of`);
    const forgotten = this.#forgotten.get(call);
    if (forgotten !== undefined && recording <= forgotten.recording && this.#isOutlived(forgotten.at))
      this.#engine.violated(
        `rule R2: ${process.name} lets in what was opened before the store lost data, its stop perhaps`,
      );
    if ([...this.#held.values()].some((closes) => closes(call)))
      this.#engine.violated(`rule R7: ${process.name} lets in what a hold closes everywhere`);
    if (recording <= (this.#closedByHold.get(call) ?? 0))
      this.#engine.violated(`rule R7: ${process.name} lets in what was recorded before a hold`);
    if (this.#isOutlived(this.#standsSince))
      this.#engine.violated(`rule R6: ${process.name} lets in what no session of the store can last for`);
  }

  /** A process has passed on bytes of an upload. */
  passed(process: Process, call: CallKey, epoch: number, drainMs: number): void {
    if (this.#isOutlived(this.#standsSince))
      this.#engine.violated(
        `rule R6: ${process.name} passes bytes on for longer than any session of the store can last`,
      );
    const heard = this.#heard.get(process)?.get(call);
    if (heard === undefined || this.recordingOf(call, epoch) > heard.recording) return;
    if (this.#engine.now >= heard.until) return;
    const tookMs = this.#engine.now - heard.at - (process.suspendedMs - heard.suspendedMs);
    if (tookMs > slow * drainMs + slackMs)
      this.#engine.violated(`rule R6: ${process.name} passes bytes on long after it heard the stop`);
  }

  /** Whether no session that lived at a moment lives now. */
  #isOutlived(since: number): boolean {
    return this.#engine.now - since > slow * this.#times.ttlMs + slackMs;
  }

  /** A process has passed on bytes of an upload that no recording admitted. */
  passedObserved(process: Process, upload: number, isObserved: boolean): void {
    this.#observed += 1;
    if (!isObserved)
      this.#engine.violated(
        `law 1: ${process.name} passes bytes of upload ${upload} on, whose tenant is not observed`,
      );
    else if (this.#engine.now >= this.#observesUntil)
      this.#engine.violated(
        `law 1: ${process.name} passes bytes of upload ${upload} on after the end of the observation`,
      );
  }

  /** How many times bytes passed that no recording admitted. */
  get observed(): number {
    return this.#observed;
  }

  light(call: CallKey): Light {
    const light =
      this.#lights.get(call) ??
      ({
        isOn: false,
        stoppedAt: 0,
        stops: 0,
        isOver: false,
        stored: new Map<number, number>(),
      } satisfies Light);
    this.#lights.set(call, light);
    return light;
  }

  /** Graph received a status change; returns its number. */
  received(call: CallKey, asked: 'recording' | 'notRecording' | 'hangUp'): number {
    const number = ++this.#requests;
    if (asked !== 'recording') {
      const light = this.light(call);
      light.isOn = false;
      light.stoppedAt = number;
      light.stops += 1;
    }
    return number;
  }

  /** Graph let out an answer that says that the `recording` with this number is done. */
  confirmed(call: CallKey, number: number): void {
    const light = this.light(call);
    if (number > light.stoppedAt) light.isOn = true;
  }

  ended(call: CallKey): void {
    this.light(call).isOver = true;
  }

  /** The sink stored bytes of an upload that the proxy said belongs to this epoch. */
  stored(call: CallKey, upload: number, epoch: number, bytes: number): void {
    const light = this.light(call);
    this.bytes += bytes;
    light.stored.set(epoch, (light.stored.get(epoch) ?? 0) + bytes);
    if (light.isOver) return;
    const began = this.#firstBytes.get(upload) ?? light.stops;
    this.#firstBytes.set(upload, began);
    if (!light.isOn)
      this.#engine.violated(
        light.stops === 0
          ? `law 1: upload ${upload} stored bytes before Graph confirmed a recording`
          : `law 2: upload ${upload} stored bytes after Graph received a stop`,
      );
    else if (began !== light.stops)
      this.#engine.violated(`law 2: upload ${upload} went on over a stop, into the next recording`);
  }
}
