import { expect, test } from '@jest/globals';
import { toGuid } from '../../../src/core/call/key.ts';
import { eventLines } from '../../../src/gate/story.ts';
import { bot, inWorld, theCall, type World } from '../../support/gate.ts';
import { refused } from '../../support/gate-graph.ts';

const times = { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 };

/** The lines about changes of the call. */
const storyOf = (world: World) => world.log.lines.filter(({ facts }) => facts.event !== undefined);

test('each change of a call has one line, with the call, who asked, the epoch, the instance and the reason', () =>
  inWorld({ ...times, instances: 2 }, async (world) => {
    await world.recording();
    const epoch = (await world.records())[0]!.epoch;
    await world.admitted(1);
    await world.run(world.stop(1, 'hangUp'));
    const records = await world.records();
    const story = storyOf(world);
    expect(story.map(({ facts }) => facts.event)).toEqual(await world.events());
    for (const [index, { level, facts, text }] of story.entries()) {
      const { event, from, to, seq, instance } = records[index]!;
      expect({ level, text }).toEqual(eventLines[event]);
      expect(facts).toMatchObject({ call: toGuid(theCall), ...bot, epoch, event, from, to, seq, instance });
    }
    expect(story.find(({ facts }) => facts.event === 'stopRequested')?.facts).toMatchObject({
      cause: 'hangUp',
    });
    expect(story.find(({ facts }) => facts.event === 'drained')?.facts).toMatchObject({
      admitted: 1,
      aborted: 1,
      bytes: 0,
    });
    expect(story.at(-1)?.facts).toMatchObject({ event: 'ended', to: 'ended', cause: 'hangUp' });
  }));

test('a refused start has a line with the error code of Graph', () =>
  inWorld(times, async (world) => {
    world.graph.next('recording', refused(403, '8506'));
    await world.run(world.start(0));
    expect(storyOf(world).at(-1)).toMatchObject({
      facts: { event: 'startRefused', outcome: 'refused', code: '8506' },
    });
  }));
