import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { lasting } from '../support/session-times.ts';
import { minute, move, newCall, recordingCall, type Fixture } from './store-fixtures.ts';

/** What every store tells whoever asks for the first time about many calls at once. */
export function describeFirstGrants(stores: () => Fixture): void {
  describe('first grants', () => {
    test('of many calls at the same time tell each what is true of its own call', async () => {
      const { store, peer } = stores();
      const id = `session-${randomUUID()}`;
      await store.sessions.join(id, lasting(minute));
      const calls = await Promise.all(
        Array.from({ length: 150 }, async (_, n) => {
          if (n % 3 === 0) return await recordingCall(store);
          const call = newCall();
          if (n % 3 === 1) await move(store, call, 'starting');
          return { call, epoch: undefined };
        }),
      );
      const told = await Promise.all(calls.map(({ call }) => store.calls.acquire(call, id)));
      const binding = { tenant: 'tenant-1', app: 'app-1' };
      for (const [n, { call, epoch }] of calls.entries()) {
        const closed = { state: n % 3 === 1 ? 'starting' : 'idle' };
        const open = { state: 'recording', epoch, binding, openForMs: expect.any(Number) };
        expect(told[n]).toEqual(epoch === undefined ? closed : open);
        const { holders } = await peer.calls.read(call);
        expect(holders.map(({ session }) => session)).toEqual(epoch === undefined ? [] : [id]);
      }
    });

    test('of a fleet that comes back are all given, amid a flood of calls that nobody knows', async () => {
      const { store } = stores();
      const id = `session-${randomUUID()}`;
      await store.sessions.join(id, lasting(minute));
      const fleet = await Promise.all(Array.from({ length: 100 }, () => recordingCall(store)));
      const flood = Array.from({ length: 10_000 }, newCall);
      const [strangers, known] = await Promise.all([
        Promise.all(flood.map((call) => store.calls.acquire(call, id))),
        Promise.all(fleet.map(({ call }) => store.calls.acquire(call, id))),
      ]);
      expect(known).toMatchObject(fleet.map(({ epoch }) => ({ state: 'recording', epoch })));
      expect(strangers.every(({ state }) => state === 'idle')).toBe(true);
    });
  });
}
