import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../src/core/errors.ts';
import type { Chance } from '../simulation/chance.ts';
import { faults, type Battlefield, type Fault } from './faults.ts';
import type { Troubles } from './troubles.ts';

interface Storm extends Battlefield {
  readonly troubles: Troubles;
  /** What is done; every fault if absent. */
  readonly only?: readonly string[] | undefined;
  readonly stopping: () => boolean;
  /** Every fault has been done once. */
  readonly onRound: () => void;
  readonly log: (line: string) => void;
}

export interface StormReport {
  /** How often each fault was done. */
  readonly faults: Readonly<Record<string, number>>;
  /** Faults that could not be done or healed. */
  readonly failures: readonly string[];
}

/** Does every fault once in a random order, then all again, with pauses between and now and then two at once. */
export async function storm(storm: Storm): Promise<StormReport> {
  const { chance, only, stopping, onRound } = storm;
  const chosen = faults.filter(({ name }) => only?.includes(name) ?? true);
  const counts = Object.fromEntries(chosen.map(({ name }) => [name, 0]));
  const failures: string[] = [];
  let deck: Fault[] = [];
  const draw = (fits: (fault: Fault) => boolean): Fault | undefined => {
    if (deck.length === 0)
      deck = shuffled(chosen, chance).filter(
        ({ name, isLong = false }) => !isLong || counts[name] === 0 || chance.happens(0.15),
      );
    const index = deck.findIndex(fits);
    return index === -1 ? undefined : deck.splice(index, 1)[0];
  };
  while (!stopping()) {
    const first = draw(() => true)!;
    const second = chance.happens(0.35)
      ? draw(({ kind }) => kind === 'instance' || kind !== first.kind)
      : undefined;
    const index = chance.below(storm.instances.length);
    const other = (index + 1 + chance.below(storm.instances.length - 1)) % storm.instances.length;
    const strike = async (fault: Fault, upon: number, afterMs: number): Promise<void> => {
      await sleep(afterMs);
      counts[fault.name]! += 1;
      await strikeOne(storm, fault, upon).catch((error: unknown) => {
        failures.push(`${fault.name}: ${messageOf(error)}`);
      });
    };
    await Promise.all([
      strike(first, index, 0),
      ...(second === undefined ? [] : [strike(second, other, chance.between(0, 1000))]),
    ]);
    if (Object.values(counts).every((count) => count > 0)) onRound();
    await sleep(chance.between(200, 1500));
  }
  return { faults: counts, failures };
}

async function strikeOne(storm: Storm, fault: Fault, index: number): Promise<void> {
  const { troubles, instances, log } = storm;
  const victim = instances[index]!;
  const ends: (() => void)[] = [];
  log(`${fault.name}${fault.kind === 'instance' ? ` (proxy ${index})` : ''}`);
  try {
    await fault.run({
      ...storm,
      victim,
      index,
      upon: (scope) => void ends.push(troubles.begin(fault.name, scope)),
    });
  } finally {
    for (const end of ends) end();
  }
}

function shuffled<T>(items: readonly T[], chance: Chance): T[] {
  const left = [...items];
  return items.map(() => left.splice(chance.below(left.length), 1)[0]!);
}
