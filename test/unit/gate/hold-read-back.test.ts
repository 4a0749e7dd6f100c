import { expect, test } from '@jest/globals';
import { inWorld, unavailable } from '../../support/gate.ts';

test('a hold stays in force here though it could not be read back once it was stored', () =>
  inWorld({ ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000, tellsGraph: true }, async (world) => {
    const [{ gate }] = world.instances as [(typeof world.instances)[number]];
    const seen = { stored: false, failed: false };
    world.weather = ({ name }) => {
      if (name === 'commitHolds') seen.stored = true;
      if (name !== 'readHolds' || !seen.stored) return {};
      seen.failed = true;
      return { before: unavailable };
    };
    const act = { by: { issuer: 'https://login.example', subject: 'operator-1' }, reason: 'legal hold' };
    const holding = gate.byHand.hold({ ...act, scope: { all: true } });
    const standing = new Set<number>();
    for (let passed = 0; passed < 50; passed++) {
      await world.clock.advance(1);
      standing.add(gate.byHand.holds().length);
    }
    expect(seen.failed).toBe(true);
    expect(standing).toEqual(new Set([1]));
    world.weather = () => ({});
    const progress = { isOver: false };
    const done = holding.finally(() => (progress.isOver = true));
    while (!progress.isOver) await world.clock.advance(20);
    expect((await done).ok).toBe(true);
  }));
