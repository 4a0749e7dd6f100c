import type { CallKey } from '../core/call/key.ts';
import type { Clock } from '../core/ports/clock.ts';

/** A status operation of Graph whose completion is awaited on this instance. */
export interface AwaitedOperation {
  /** Resolves after `ms`, or as soon as a notification reports that the operation has ended. */
  pause(ms: number): Promise<void>;
  close(): void;
}

/** The operations that this instance awaits. A notification only wakes the reader of the operation. */
export class Operations {
  readonly #clock: Clock;
  readonly #awaited = new Map<string, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  await(call: CallKey, operation: string): AwaitedOperation {
    const name = nameOf(call, operation);
    let hasEnded = false;
    let end: () => void = () => undefined;
    const wake = (): void => {
      hasEnded = true;
      end();
    };
    this.#awaited.set(name, wake);
    return {
      pause: (ms) =>
        new Promise((resolve) => {
          const cancel = this.#clock.after(ms, () => {
            // An end that is reported from now on is for the next pause.
            end = () => undefined;
            resolve();
          });
          end = () => {
            hasEnded = false;
            end = () => undefined;
            cancel();
            resolve();
          };
          // The end was reported while the operation was being read.
          if (hasEnded) end();
        }),
      close: () => {
        if (this.#awaited.get(name) === wake) this.#awaited.delete(name);
      },
    };
  }

  /** Whether somebody here awaits it. */
  wake(call: CallKey, operation: string): boolean {
    const wake = this.#awaited.get(nameOf(call, operation));
    wake?.();
    return wake !== undefined;
  }
}

const nameOf = (call: CallKey, operation: string): string => `${call} ${operationKey(operation)}`;

/**
 * Canonical form of an operation id: Graph writes the same id with hyphens in lower case, and without hyphens in
 * upper case.
 */
export const operationKey = (operation: string): string => operation.replaceAll('-', '').toLowerCase();
