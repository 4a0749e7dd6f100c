import { keysWith } from '../../../src/store/redis/keys.ts';
import { storeOver, type RedisStore } from '../../../src/store/redis/store.ts';
import { directConnection } from './connection.ts';
import { VirtualRedis } from './server.ts';

export const testBedKeys = keysWith('tallylight', 8);

/** A server whose clock may be set, and the true time by which everybody measures. */
export class TestBed {
  /** True time, ms. */
  now = 0;
  /** By how much the server's clock is off, ms. */
  skewMs = 0;
  readonly steps: ('forward' | 'back')[] = [];
  readonly said: string[] = [];
  readonly server = new VirtualRedis({
    clock: () => Math.floor(Date.UTC(2026, 0, 31, 12) + this.now + this.skewMs),
    elapsed: () => this.now,
    appendOnly: true,
    memoryMs: 60_000,
  });

  /** An instance's store, whose own clock begins now. */
  store(): RedisStore {
    const began = this.now;
    const say = (_: unknown, text: string): void => void this.said.push(text);
    return storeOver(
      directConnection(this.server),
      testBedKeys,
      { now: () => this.now - began, sleep: () => Promise.resolve() },
      {
        meter: {
          storeClock: (_, step) => {
            if (step !== undefined) this.steps.push(step);
          },
        },
        log: { debug: say, info: say, warn: say, error: say },
      },
    );
  }
}
