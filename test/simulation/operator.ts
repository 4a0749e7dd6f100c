import { type HoldScope, isInScope } from '../../src/core/call/hold.ts';
import type { Binding } from '../../src/core/call/state.ts';
import type { Decision } from '../../src/core/decision.ts';
import type { HoldChange } from '../../src/gate/by-hand.ts';
import type { Act } from './acts.ts';
import type { Engine } from './engine.ts';
import type { Observer } from './observer.ts';
import type { Tenants } from './tenants.ts';
import type { Instance } from './world.ts';

const operator = { by: { issuer: 'local', subject: 'local' }, reason: 'a drill' };

const told = (decision: Decision<HoldChange>): string =>
  decision.ok ? (decision.value.acknowledged ? 'acknowledged' : 'stored') : decision.reason;

interface Surroundings {
  readonly engine: Engine;
  readonly observer: Observer;
  readonly bot: Binding;
  readonly tenants: Pick<Tenants, 'ownerOf'>;
  readonly arrive: (slot: number, what: string, run: (instance: Instance) => void) => void;
  readonly watch: <T>(
    promise: Promise<T>,
    what: string,
    instance: Instance,
    tell: (value: T) => void,
  ) => Promise<T>;
}

/** Sets holds and releases them; the observer hears what the operator was told. */
export class Operator {
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  hold({ on, slot, ms }: Extract<Act, { kind: 'hold' }>): void {
    const { engine, observer, bot, tenants, arrive, watch } = this.#around;
    const scopes: Readonly<Record<typeof on, HoldScope>> = {
      all: { all: true },
      tenant: { tenant: bot.tenant },
      app: { app: bot.app },
    };
    arrive(slot, 'hold', (instance) => {
      const what = `hold at ${instance.process.name}`;
      void watch(
        instance.gate.byHand.hold({ ...operator, scope: scopes[on] }),
        what,
        instance,
        (decision) => {
          engine.note(`${what}: ${told(decision)}`);
          if (!decision.ok) return;
          const { hold, acknowledged } = decision.value;
          if (acknowledged) observer.held(hold.id, (call) => isInScope(hold.scope, tenants.ownerOf(call)));
          engine.schedule(ms, 'the operator releases a hold', () =>
            arrive((slot + 1) % 3, 'release', (other) => void this.release(hold.id, other)),
          );
        },
      );
    });
  }

  /** From the request on it may end at any moment. */
  release(id: string, instance: Instance): Promise<Decision<HoldChange>> {
    const { engine, observer, watch } = this.#around;
    observer.released(id);
    const what = `release at ${instance.process.name}`;
    return watch(instance.gate.byHand.release(id, operator), what, instance, (decision) =>
      engine.note(`${what}: ${told(decision)}`),
    );
  }
}
