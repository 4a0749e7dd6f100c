import type { CallKey } from '../core/call/key.ts';
import { messageOf } from '../core/errors.ts';
import type { GateDeps } from './context.ts';

interface Heard {
  /** Another instance has received a stop. `epoch` null: it does not know which recording is meant. */
  readonly stopped: (call: CallKey, epoch: number | null) => void;
  /** Holds may have changed. */
  readonly holdsChanged: () => void;
}

/** What the instances tell each other without a write in the store. All of it may get lost. */
export class Announcements {
  readonly #deps: GateDeps;
  /** Names this instance. */
  readonly #name: string;
  readonly #stopListening: (() => void)[] = [];

  constructor(deps: GateDeps) {
    this.#deps = deps;
    this.#name = deps.newId();
  }

  /** Notifies the other instances at once: they close what they hold, whatever becomes of the stop in the store. */
  stopped(call: CallKey, epoch: number | null): void {
    const { sessions, log } = this.#deps;
    sessions.announceStop({ call, epoch, from: this.#name }).catch((error: unknown) => {
      log.debug({ call, error: messageOf(error) }, 'a stop could not be announced to the other instances');
    });
  }

  async listen(heard: Heard): Promise<void> {
    const { sessions, holds, log } = this.#deps;
    try {
      const stops = sessions.onStop(({ call, epoch, from }) => {
        if (from !== this.#name) heard.stopped(call, epoch);
      });
      this.#stopListening.push(...(await Promise.all([stops, holds.onChange(heard.holdsChanged)])));
    } catch (error) {
      log.debug(
        { error: messageOf(error) },
        'could not subscribe to the stops that other instances announce',
      );
    }
  }

  close(): void {
    for (const stopListening of this.#stopListening) stopListening();
  }
}
