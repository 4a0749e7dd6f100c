import { expect } from '@jest/globals';
import type { MediaRoute } from '../../../src/core/http/media-route.ts';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import { breakable } from '../../../src/sandbox/breakable-store.ts';
import { defaultLimits } from '../../../src/settings/limits.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { startWorld, type World } from '../../support/world.ts';
import { startBrake, type Brake } from './brake.ts';

/** The product between a client and a store, each behind a way that can be held up. */
export interface TestBed {
  readonly world: World;
  /** From the client to the product. */
  readonly front: Brake;
  /** From the product to the store. */
  readonly back: Brake;
  /** The store of the product, not of media. */
  readonly gates: { break(): void; mend(): void };
  /** A token of the bot. */
  readonly token: string;
  /** A call that is being recorded. */
  recordingCall(): Promise<Bot>;
  /** Ends the product in order; its evidence must be without fault. */
  shutDown(): Promise<void>;
  close(): Promise<void>;
}

export async function startTestBed(
  storeUrl: string,
  routes: (upstream: string) => readonly MediaRoute[],
): Promise<TestBed> {
  const back = await startBrake(storeUrl);
  const gates = breakable(memoryStore({ livedMs: Infinity }));
  const world = await startWorld({
    openStore: () => gates,
    settings: {
      mediaRoutes: routes(back.url),
      sessionTtlMs: 30_000,
      // One upload that is held up leaves no room for another.
      limits: { ...defaultLimits, maxUploadsPerCall: 1 },
    },
  });
  const front = await startBrake(world.proxy.url);
  return {
    ...{ world, front, back, gates },
    token: await world.mint.mint(),
    async recordingCall() {
      const bot = await world.bot();
      expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
      return bot;
    },
    async shutDown() {
      expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
    },
    async close() {
      await world.close();
      await Promise.all([front.close(), back.close()]);
    },
  };
}
