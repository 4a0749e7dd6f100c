import { describe, expect, test } from '@jest/globals';
import { parseCallKey } from '../../../src/core/call/key.ts';
import { defaultPolicy, inForce } from '../../../src/core/call/policy.ts';
import { bot, inWorld, stranger, theCall } from '../../support/gate.ts';
import { completed } from '../../support/gate-graph.ts';

const ttlMs = 3000;
const drainMs = 1000;
const graphTimeoutMs = 2000;
const times = { ttlMs, drainMs, graphTimeoutMs };
const otherTenant = { ...bot, tenant: '99999999-9999-9999-9999-999999999999' };

describe('a binding', () => {
  test('is made by the first whose start Graph confirms, and others get the answers of an unknown call', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      for (const by of [stranger, otherTenant]) {
        expect(await world.run(world.start(1, { by }))).toRefuse('CallNotFound');
        expect(await world.run(world.stop(1, 'notRecording', { by }))).toRefuse('CallNotFound');
        expect(await world.run(world.write(0, by))).toRefuse('RecordingNotActive');
        expect(await world.run(world.write(1, by))).toRefuse('RecordingNotActive');
        expect(world.instances[1]!.gate.admitNow(theCall, by)).toRefuse('RecordingNotActive');
        expect(await world.run(world.instances[1]!.gate.isOpen(theCall, by))).toRefuse('RecordingNotActive');
      }
      expect(write.isLive).toBe(true);
      expect(world.graph.log).toEqual(['recording']);
      expect(await world.run(world.instances[1]!.gate.isOpen(theCall, bot))).toMatchObject({ ok: true });
    }));

  test('is made once, and remembered', () =>
    inWorld(times, async (world) => {
      const [one, other] = [world.instances[0]!.gate, world.instances[1]!.gate];
      expect(await world.run(one.bindingOf(theCall))).toBeNull();
      await one.bind(theCall, bot);
      await other.bind(theCall, stranger);
      expect(await world.run(other.bindingOf(theCall))).toEqual(bot);
      const reads = world.count('read');
      expect(await world.run(other.bindingOf(theCall))).toEqual(bot);
      expect(world.count('read')).toBe(reads);
      expect(await world.events()).toEqual(['bound']);
    }));

  test('is not made without the store, and the next request makes it', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      world.storeIsDown = true;
      await gate.bind(theCall, bot);
      expect(await world.run(gate.bindingOf(theCall))).toBeUndefined();
      world.storeIsDown = false;
      await gate.bind(theCall, bot);
      expect(await world.run(gate.bindingOf(theCall))).toEqual(bot);
    }));

  test('lets in the further uploaders that a policy names, and nobody else', () => {
    const policy = inForce({
      ...defaultPolicy,
      name: 'p',
      match: { apps: [bot.app] },
      uploaders: [stranger.app],
    });
    return inWorld({ ...times, policies: [policy] }, async (world) => {
      await world.recording();
      await world.admitted(1, stranger);
      await world.admitted(0, bot);
      const elsewhere = { ...stranger, tenant: otherTenant.tenant };
      expect(await world.run(world.write(1, elsewhere))).toRefuse('RecordingNotActive');
      // Uploading is not commanding.
      expect(await world.run(world.stop(1, 'notRecording', { by: stranger }))).toRefuse('CallNotFound');
    });
  });
});

describe('a call that is gone', () => {
  test('is ended, with its writes, when it is bound', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(0);
      await world.run(world.instances[1]!.gate.callEnded(theCall, bot, 'callNotFound'));
      expect(write.wasCut).toBe(true);
      expect(await world.state()).toBe('ended');
      expect(world.graph.log).toEqual(['recording']);
    }));

  test('is left alone when nobody is bound to it', () =>
    inWorld(times, async (world) => {
      await world.run(world.instances[1]!.gate.callEnded(theCall, stranger, 'callNotFound'));
      expect(await world.state()).toBe('unknown');
    }));

  test('is left alone when nobody is bound to it, also if the store is slow to say so', () =>
    inWorld(times, async (world) => {
      const read = world.hold('read', 'before', { instance: 1 });
      const gone = world.instances[1]!.gate.callEnded(theCall, stranger, 'callNotFound');
      await world.clock.advance(500);
      read.release();
      await world.run(gone);
      expect(await world.state()).toBe('unknown');
    }));

  test('is left alone by a stranger', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(0);
      await world.run(world.instances[1]!.gate.callEnded(theCall, stranger, 'callNotFound'));
      expect(write.isLive).toBe(true);
      expect(await world.state()).toBe('recording');
    }));

  test('is ended by a later request when the store is away', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.storeIsDown = true;
      await world.run(world.instances[1]!.gate.callEnded(theCall, bot, 'callNotFound'));
      world.storeIsDown = false;
      expect(await world.state()).toBe('recording');
      await world.run(world.instances[1]!.gate.callEnded(theCall, bot, 'callNotFound'));
      expect(await world.state()).toBe('ended');
    }));
});

describe('the evidence', () => {
  test('counts refused writes by reason, once a second', () =>
    inWorld(times, async (world) => {
      await world.run(world.instances[0]!.gate.bind(theCall, bot));
      for (let early = 0; early < 5; early++) await world.run(world.write(0));
      world.instances[0]!.gate.refused(theCall, 'TokenExpired', bot);
      await world.clock.advance(1000);
      for (let early = 0; early < 2; early++) await world.run(world.write(0));
      await world.clock.advance(1000);
      const records = await world.records();
      expect(records.slice(1).map(({ event, detail }) => [event, detail])).toEqual([
        ['writesRefused', { refused: { RecordingNotActive: 5, TokenExpired: 1 } }],
        ['writesRefused', { refused: { RecordingNotActive: 2 } }],
      ]);
    }));

  test('keeps refused writes while the store is away, whatever their call', () =>
    inWorld(times, async (world) => {
      const other = parseCallKey('00000000-0000-0000-0000-00000000ca12')!;
      const { gate } = world.instances[0]!;
      for (const call of [theCall, other]) await world.run(gate.bind(call, bot));
      gate.refused(theCall, 'RecordingNotActive', bot);
      gate.refused(theCall, 'RecordingNotActive', bot);
      gate.refused(other, 'RecordingNotActive', bot);
      world.storeIsDown = true;
      await world.clock.advance(2500);
      gate.refused(theCall, 'RecordingNotActive', bot);
      gate.refused(theCall, 'TokenExpired', bot);
      await world.clock.advance(2500);
      world.storeIsDown = false;
      await world.clock.advance(1000);
      const records = (await world.records()).filter(({ event }) => event === 'writesRefused');
      expect(Object.fromEntries(records.map(({ call, detail }) => [call, detail.refused]))).toEqual({
        [theCall]: { RecordingNotActive: 3, TokenExpired: 1 },
        [other]: { RecordingNotActive: 1 },
      });
    }));

  test('of refused writes is written before an instance is closed', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      await world.run(gate.bind(theCall, bot));
      gate.refused(theCall, 'RecordingNotActive', bot);
      await world.run(gate.close(), 100);
      expect(await world.events()).toEqual(['bound', 'writesRefused']);
    }));

  test('takes notes in any state, and says when it could not', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      expect(await gate.note('metadataUpdated', theCall, bot, { digest: 'd' })).toMatchObject({ ok: true });
      // Media that Graph itself records may only be asked for while recording.
      expect(await gate.note('mediaRequested', theCall, bot, {})).toRefuse('StatusInProgress');
      world.storeIsDown = true;
      expect(await gate.note('operationPatched', theCall, bot, {})).toRefuse('StoreUnavailable');
      world.storeIsDown = false;
      expect((await world.records()).map(({ event, by, detail }) => [event, by, detail])).toEqual([
        ['metadataUpdated', bot, { digest: 'd' }],
      ]);
    }));

  test('names who asked, the policy, the instance and what Graph answered', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', completed('Completed'));
      await world.recording();
      const [requested, confirmed] = await world.records();
      expect(requested).toMatchObject({ by: bot, policy: defaultPolicy.digest, detail: {} });
      expect(confirmed).toMatchObject({
        by: bot,
        instance: requested?.instance,
        epoch: requested?.epoch,
        detail: { outcome: 'completed', operation: 'op', graph: {} },
      });
    }));
});
