import { beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { lasting } from '../support/session-times.ts';
import { minute, move, recordingCall, type Fixture } from './store-fixtures.ts';

/** For how long an epoch has been open, as whoever acquires the call is told. */
export function describeOpened(fixture: () => Fixture): void {
  describe('the time that an epoch has been open', () => {
    beforeEach(async () => {
      await fixture().store.sessions.join('session-1', lasting(minute));
    });

    test('is told to its holders, and never too long', async () => {
      const { store, peer } = fixture();
      // Whoever has asked for a call of the same part before knows its time.
      const { call } = await recordingCall(peer);
      await store.calls.read(call);
      const openFor = async (): Promise<number> => {
        const held = await store.calls.acquire(call, 'session-1');
        return held.state === 'recording' ? held.openForMs : NaN;
      };
      const before = performance.now();
      for (const state of ['stopping', 'unconfirmed', 'idle', 'starting', 'recording'] as const)
        await move(peer, call, state);
      const first = await openFor();
      expect(first).toBeGreaterThanOrEqual(0);
      expect(first).toBeLessThanOrEqual(performance.now() - before);
      const later = await eventually(async () => {
        const openForMs = await openFor();
        return openForMs >= 50 ? openForMs : undefined;
      });
      expect(later).toBeLessThanOrEqual(performance.now() - before);
      // Another record of the same interval is no new opening.
      await move(peer, call, 'recording');
      await eventually(async () => (await openFor()) >= 50);
    });
  });
}
