import { describe, expect, test } from '@jest/globals';
import { inWorld, type World } from '../../support/gate.ts';
import { lost } from '../../support/gate-graph.ts';

const ttlMs = 3000;
const drainMs = 1000;
const graphTimeoutMs = 2000;
const times = { ttlMs, drainMs, graphTimeoutMs };

/** Asks again, as a client that obeys `retryAfter` would, until the answer is not a refusal. */
async function insist<T extends { ok: boolean; retryAfterMs?: number | undefined }>(
  world: World,
  ask: () => Promise<T>,
  attempts = 10,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const answer = await world.run(ask());
    if (answer.ok || attempt === attempts) return answer;
    await world.clock.advance(answer.retryAfterMs ?? 1000);
  }
}

describe('the rules of the gate protocol', () => {
  test('R1: a grant that arrives after its revocation is thrown away', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const reply = world.hold('acquire', 'after', { instance: 1 });
      const write = world.write(1);
      await world.clock.settle();
      expect(reply.reached).toBe(true);

      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      reply.release();

      expect(await world.run(write)).toRefuse('RecordingNotActive');
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
    }));

  test('R2: a stop waits until holders that the store has forgotten are certainly gone', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.hold('heartbeat', 'before', { instance: 1 });
      world.restartStore();

      expect(await world.run(world.stop(0))).toRefuse('StoreFresh');
      expect(world.graph.log).toEqual(['recording']);

      expect(await insist(world, () => world.stop(0))).toMatchObject({ ok: true });
      expect(write.wasCut).toBe(true);
    }));

  test('R2: a start waits until a stop that the store has forgotten is certainly off the wire', () =>
    inWorld(times, async (world) => {
      await world.recording();
      // The handler is held up almost to the end of its time, its request is lost and arrives as late as it can.
      world.graph.next('notRecording', {
        ...lost(2 * graphTimeoutMs - 1),
        pauseMs: graphTimeoutMs - 1,
      });
      const stop = world.stop(0);
      await world.clock.settle();
      world.restartStore();

      expect(await insist(world, () => world.start(1))).toMatchObject({ ok: true, value: { open: true } });
      await world.admitted(1);
      await world.run(stop);
      await world.clock.advance(10 * graphTimeoutMs);
      expect(world.live()).toHaveLength(1);
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'recording']);
    }));

  test('R3: a stop of unknown outcome is confirmed, and the lost one is off the wire, before the next start', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', lost(2 * graphTimeoutMs - 1));
      await world.run(world.stop(0));
      expect(await world.state()).toBe('unconfirmed');

      await world.recording(1);
      await world.admitted(1);
      await world.clock.advance(10 * graphTimeoutMs);
      expect(world.live()).toHaveLength(1);
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'notRecording', 'recording']);
    }));

  test('R3: a stop of unknown outcome is confirmed before the next start, however long ago it was', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', lost(null));
      await world.run(world.stop(0));
      await world.clock.advance(100 * graphTimeoutMs);

      await world.recording(1);
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'notRecording', 'recording']);
    }));

  test('R3: a confirmed stop does not let a start overtake the one before that was lost', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const sentAt = world.clock.now();
      world.graph.next('notRecording', lost(2 * graphTimeoutMs - 1));
      await world.run(world.stop(0));
      await world.run(world.stop(0));
      expect(await world.state()).toBe('idle');

      await world.recording(1);
      expect(world.clock.now()).toBeGreaterThanOrEqual(sentAt + 2 * graphTimeoutMs);
      await world.admitted(1);
      await world.clock.advance(graphTimeoutMs);
    }));

  test('R4: the deadline counts from before the heartbeat was sent', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      const reply = world.hold('heartbeat', 'after', { instance: 1 });
      await world.clock.advance(ttlMs / 3);
      expect(reply.reached).toBe(true);
      const beatenAt = world.clock.now();
      await world.clock.advance(ttlMs / 3);
      reply.release();
      world.hold('heartbeat', 'before', { instance: 1 });

      await world.clock.advance(beatenAt + ttlMs - 1 - world.clock.now());
      expect(write.wasCut).toBe(false);
      await world.clock.advance(1);
      // From this moment on the store may have forgotten the session.
      expect(write.wasCut).toBe(true);
      expect(world.instances[1]!.gate.isReady()).toBe(false);
    }));

  test('R4: the deadline moves only after the revocations in the reply were taken', () => {
    let whileTaking = (): void => undefined;
    return inWorld({ ...times, onPolicy: () => whileTaking() }, async (world) => {
      await world.recording();
      await world.admitted(1);
      world.wakesArrive = false;
      const stop = world.stop(0);
      await world.clock.settle();
      const wasReady: boolean[] = [];
      const heartbeat = world.hold('heartbeat', 'after', { instance: 1 });
      while (!heartbeat.reached) await world.clock.step();
      whileTaking = () => {
        // The process sleeps, in the middle of it, past the deadline it had.
        whileTaking = () => undefined;
        world.clock.jump(ttlMs - ttlMs / 3);
        wasReady.push(world.instances[1]!.gate.isReady());
      };
      heartbeat.release();
      await world.clock.settle();
      expect(wasReady).toEqual([false]);
      await world.run(stop);
    });
  });

  test('R5: a stop whose handler crashed is taken over by the next one', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      void world.stop(0);
      await world.clock.settle();
      expect(await world.state()).toBe('stopping');
      world.crash(0);

      expect(await insist(world, () => world.stop(1), 3)).toMatchObject({ ok: true });
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
    }));

  test('R5: a holder whose instance crashed is waited out', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      world.crash(1);

      expect(await insist(world, () => world.stop(0), 3)).toMatchObject({ ok: true });
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      expect(await world.events()).toContain('holderLost');
      expect(world.drains).toContain('lost');
    }));

  test('R5: a holder whose session is missing is waited out for one whole TTL', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      const [holder] = (await world.view()).holders;
      world.hold('heartbeat', 'before', { instance: 1 });
      await world.store.sessions.quit(holder!.session);

      expect(await insist(world, () => world.stop(0), 3)).toMatchObject({ ok: true });
      expect(write.wasCut).toBe(true);
    }));
});
