import { Fault } from '../src/core/errors.ts';
import type { IdentifyDeps } from '../src/http/identify-media.ts';
import type { GraphPort } from '../src/http/ports.ts';

/** What the handlers of one gate share. */
export interface GateParts extends IdentifyDeps {
  /** Graph at this origin; its connections are closed with the gate. */
  readonly graphAt: (origin: string) => GraphPort;
}

/** The gate of a host application, as made by `createGate`. */
export interface RecordingGate {
  /** Whether gates may be open on this instance now: it has a session in the store. */
  isReady(): boolean;
  /** Stops admitting, lets writes finish within the drain limit, flushes the evidence, closes the store: bounded. */
  close(): Promise<void>;
}

const partsByGate = new WeakMap<RecordingGate, GateParts>();

export const register = (gate: RecordingGate, parts: GateParts): void => void partsByGate.set(gate, parts);

/** Throws `ConfigurationInvalid` for anything that `createGate` of this very module has not made. */
export function partsOf(gate: RecordingGate): GateParts {
  const parts = partsByGate.get(gate);
  if (parts === undefined)
    throw new Fault('ConfigurationInvalid', 'gate: must be the result of createGate() (await the promise)');
  return parts;
}
