import type { CallKey } from '../../src/core/call/key.ts';
import type { Binding } from '../../src/core/call/state.ts';
import type { GateParts } from '../../src/gate/context.ts';
import type { Engine } from './engine.ts';
import type { Setting } from './plan.ts';
import { startOfTime } from './store-ports.ts';

export const bot: Binding = {
  tenant: '11111111-1111-1111-1111-111111111111',
  app: '22222222-2222-2222-2222-222222222222',
};
/** Of a tenant that is never observed. */
const otherBot: Binding = { ...bot, tenant: '33333333-3333-3333-3333-333333333333' };

/** Whose each call is, and who of them is observed. Where nobody is, all are of one tenant. */
export class Tenants {
  readonly #until: number | undefined;
  readonly #rest: number;

  constructor(seed: number, { observesUntil }: Setting) {
    this.#until = observesUntil;
    this.#rest = seed % 4 > 1 ? 1 : 0;
  }

  ownerOf(key: CallKey): Binding {
    return this.#until === undefined || Number(key.at(-3)) % 2 === this.#rest ? bot : otherBot;
  }

  /** What an instance is set to. */
  observation(engine: Engine): Pick<GateParts, 'observation'> {
    if (this.#until === undefined) return {};
    const wallClock = (): number => startOfTime + engine.now;
    return { observation: { until: startOfTime + this.#until, tenants: [bot.tenant], wallClock } };
  }
}
