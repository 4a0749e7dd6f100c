import type { HoldLine } from '../../src/core/call/evidence-lines.ts';
import type { HoldStore } from '../../src/core/ports/hold-store.ts';
import type { Store } from '../../src/core/ports/store.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** The commands about holds, as a test disturbs them. */
export type HoldCommand = `${Exclude<keyof HoldStore, 'onChange'>}Holds` | 'onHolds';

type Through = <A extends unknown[], T>(
  name: HoldCommand,
  run: (store: Store, ...args: A) => Promise<T>,
) => (...args: A) => Promise<T>;

/** The holds of a store as one instance reaches them. */
export const holdsThrough = (through: Through, isAwake: () => boolean): HoldStore => ({
  read: through('readHolds', ({ holds }, ...args) => holds.read(...args)),
  commit: through('commitHolds', ({ holds }, commit) => holds.commit(commit)),
  behind: through('behindHolds', ({ holds }, acknowledged) => holds.behind(acknowledged)),
  isWaiting: through('isWaitingHolds', ({ holds }, entry) => holds.isWaiting(entry)),
  newestTime: through('newestTimeHolds', ({ holds }) => holds.newestTime()),
  onChange: through('onHolds', ({ holds }, listener) =>
    holds.onChange(() => {
      if (isAwake()) listener();
    }),
  ),
});

/** Makes durable what waits in a store about holds. */
export async function writeHoldLines({ outbox }: Store, durable: HoldLine[]): Promise<readonly HoldLine[]> {
  const entries = (await outbox.pending(1000)).filter(({ hold }) => hold !== undefined);
  for (const { hold } of entries) if (hold !== undefined) durable.push(hold);
  await outbox.remove(entries);
  return durable;
}

interface DurableWorld {
  readonly clock: Pick<VirtualClock, 'advance'>;
  readonly storeIsDown: boolean;
  writeHolds(): Promise<unknown>;
}

/** Lets time pass until a promise is settled; meanwhile lines about holds become durable. */
export async function whileDurable<T>(world: DurableWorld, promise: Promise<T>): Promise<T> {
  const progress = { isOver: false };
  const done = promise.finally(() => (progress.isOver = true));
  const write = async (): Promise<void> => {
    await world.clock.advance(20);
    if (!world.storeIsDown) await world.writeHolds();
    if (!progress.isOver) await write();
  };
  await write();
  return done;
}
