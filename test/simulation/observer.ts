import type { CallKey } from '../../src/core/call-key.ts';
import type { Engine } from './engine.ts';

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

/** Sees only what Graph received and answered and what the media sink stored, and judges both laws by it. */
export class Observer {
  readonly #engine: Engine;
  readonly #lights = new Map<CallKey, Light>();
  /** At how many stops of its call each upload had stored its first byte. */
  readonly #firstBytes = new Map<number, number>();
  #requests = 0;
  bytes = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
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
