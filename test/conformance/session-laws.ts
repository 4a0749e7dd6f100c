import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Observation } from '../../src/core/call/observation.ts';
import type { Revocation } from '../../src/core/ports/session-store.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { eventually } from '../support/eventually.ts';
import { lasting } from '../support/session-times.ts';
import { type Fixture, minute, newCall } from './store-fixtures.ts';

const session = (): string => `session-${randomUUID()}`;

/** The life of a session, and what is revoked from it. */
export function describeSessions(fixture: () => Fixture): void {
  let store: Store;
  let peer: Store;
  beforeEach(() => {
    ({ store, peer } = fixture());
  });

  describe('a session', () => {
    test('that joined is alive; one that did not, or quit, is lost', async () => {
      const id = session();
      expect(await store.sessions.heartbeat(id, [])).toBe('lost');
      await store.sessions.join(id, lasting(minute));
      await store.sessions.join(id, lasting(minute));
      expect(await store.sessions.heartbeat(id, [])).toEqual([]);
      await store.sessions.quit(id);
      await store.sessions.quit(id);
      expect(await store.sessions.heartbeat(id, [])).toBe('lost');
    });

    test('joins only others that observe the same, or that nothing is observed', async () => {
      const tenants = ['22222222-2222-2222-2222-222222222222', '11111111-1111-1111-1111-111111111111'];
      const observation = { until: Date.now() + 10 * minute, tenants };
      const id = session();
      const joins = (other?: Observation, at = peer): Promise<string> =>
        at.sessions
          .join(session(), { ...lasting(minute), observation: other })
          .then((joined) => (joined === 'joined' ? joined : joined.why));
      expect(await store.sessions.join(id, { ...lasting(minute), observation })).toBe('joined');
      expect(await joins()).toBe('observe');
      expect(await joins({ ...observation, until: observation.until + 1 })).toBe('observe');
      expect(await joins({ ...observation, tenants: tenants.slice(1) })).toBe('observe');
      // A session that joins again is not in its own way.
      expect(await store.sessions.join(id, { ...lasting(minute), observation })).toBe('joined');
      await store.sessions.quit(id);
      expect(await joins({ ...observation, tenants: tenants.toReversed() })).toBe('joined');
      expect(await joins(observation, store)).toBe('joined');
    });

    test('that observes what is over enforces, as those do that observe nothing', async () => {
      const over = { until: Date.now() - minute, tenants: ['11111111-1111-1111-1111-111111111111'] };
      expect(await store.sessions.join(session(), { ...lasting(minute), observation: over })).toBe('joined');
      expect(await peer.sessions.join(session(), lasting(minute))).toBe('joined');
      // Nor does it keep those out that still have it.
      expect(await peer.sessions.join(session(), { ...lasting(minute), observation: over })).toBe('joined');
      const observation = { ...over, until: Date.now() + minute };
      expect(await peer.sessions.join(session(), { ...lasting(minute), observation })).toMatchObject({
        why: 'observe',
        text: expect.stringMatching(/^TALLYLIGHT_OBSERVE_UNTIL differs: this instance observes until /),
      });
    });

    test('has a counter that every sign of life moves, and nothing else', async () => {
      const id = session();
      const counter = (): Promise<number | 'missing'> =>
        peer.sessions.revoke(id, { call: newCall(), epoch: 1 });
      await store.sessions.join(id, lasting(30));
      const seen = [await counter(), await counter()];
      expect(seen[1]).toBe(seen[0]);
      await store.sessions.heartbeat(id, []);
      seen.push(await counter());
      await store.sessions.join(id, lasting(30));
      seen.push(await counter(), await counter());
      expect(new Set(seen).size).toBe(3);
      expect(seen.every((beat) => typeof beat === 'number')).toBe(true);
    });

    test('is not ended by any time: whoever waits for it watches its counter', async () => {
      const id = session();
      await store.sessions.join(id, lasting(1));
      const { now } = await store.calls.read(newCall());
      await eventually(async () => (await store.calls.read(newCall())).now > now + 50);
      await peer.calls.sweep(10);
      expect(await store.sessions.heartbeat(id, [])).toEqual([]);
    });

    test('keeps what waits for it when it joins again', async () => {
      const id = session();
      const revocation = { call: newCall(), epoch: 1 };
      await store.sessions.join(id, lasting(minute));
      await peer.sessions.revoke(id, revocation);
      await store.sessions.join(id, lasting(minute));
      expect(await store.sessions.heartbeat(id, [])).toEqual([revocation]);
    });
  });

  describe('a revocation', () => {
    test('waits for its session until it is told to be done', async () => {
      const id = session();
      const [one, two] = [
        { call: newCall(), epoch: 5 },
        { call: newCall(), epoch: 7 },
      ];
      await store.sessions.join(id, lasting(minute));
      expect(await peer.sessions.revoke(id, one)).toEqual(expect.any(Number));
      expect(await peer.sessions.revoke(id, one)).toEqual(expect.any(Number));
      expect(await peer.sessions.revoke(id, two)).toEqual(expect.any(Number));
      const waiting = await store.sessions.heartbeat(id, []);
      expect(waiting).toHaveLength(2);
      expect(waiting).toEqual(expect.arrayContaining([one, two]));
      expect(await store.sessions.heartbeat(id, [one])).toEqual([two]);
      expect(await store.sessions.heartbeat(id, [one, two])).toEqual([]);
    });

    test('keeps the highest epoch', async () => {
      const id = session();
      const call = newCall();
      await store.sessions.join(id, lasting(minute));
      for (const epoch of [5, 1_900_000_000_123, 6]) await peer.sessions.revoke(id, { call, epoch });
      expect(await store.sessions.heartbeat(id, [])).toEqual([{ call, epoch: 1_900_000_000_123 }]);
    });

    test('is not done with by an earlier epoch, but by the same or a later one', async () => {
      const id = session();
      const call = newCall();
      await store.sessions.join(id, lasting(minute));
      await peer.sessions.revoke(id, { call, epoch: 5 });
      const beat = (...epochs: number[]): Promise<readonly Revocation[] | 'lost'> =>
        store.sessions.heartbeat(
          id,
          epochs.map((epoch) => ({ call, epoch })),
        );
      expect(await beat(4)).toEqual([{ call, epoch: 5 }]);
      expect(await beat(5, 4)).toEqual([]);
      await peer.sessions.revoke(id, { call, epoch: 8 });
      expect(await beat(9)).toEqual([]);
    });

    test('for a session that is not there is refused and not kept', async () => {
      const id = session();
      expect(await store.sessions.revoke(id, { call: newCall(), epoch: 1 })).toBe('missing');
      await store.sessions.join(id, lasting(minute));
      expect(await store.sessions.heartbeat(id, [])).toEqual([]);
    });

    test('does not survive its session', async () => {
      const id = session();
      await store.sessions.join(id, lasting(minute));
      await store.sessions.revoke(id, { call: newCall(), epoch: 1 });
      await store.sessions.quit(id);
      await store.sessions.join(id, lasting(minute));
      expect(await store.sessions.heartbeat(id, [])).toEqual([]);
    });

    test('wakes its session, and no other, until that stops listening', async () => {
      const [id, other] = [session(), session()];
      const woken: unknown[] = [];
      const revocation = { call: newCall(), epoch: 1 };
      await store.sessions.join(id, lasting(minute));
      await store.sessions.join(other, lasting(minute));
      const stop = await store.sessions.onWake(id, (told) => woken.push(id, told));
      await store.sessions.onWake(other, () => woken.push(other));
      await peer.sessions.revoke(id, revocation);
      await eventually(() => woken.length > 0);
      expect(woken).toEqual([id, revocation]);
      stop();
      stop();
      await peer.sessions.revoke(id, { call: newCall(), epoch: 2 });
      await peer.sessions.revoke(other, { call: newCall(), epoch: 2 });
      await eventually(() => woken.includes(other));
      expect(woken).toEqual([id, revocation, other]);
    });
  });
}
