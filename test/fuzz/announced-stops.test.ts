import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseCallKey, type CallKey } from '../../src/core/call/key.ts';
import { stopIn, stopMessage } from '../../src/store/redis/stop-message.ts';
import { bot, inWorld, theCall } from '../support/gate.ts';
import { cases, edited, ofLongRun } from './cases.ts';

const other = parseCallKey('9'.repeat(32))!;
const calls = fc.constantFrom(theCall, other);
const epochs = fc.oneof(
  fc.constantFrom(null, 0, 1, 999_999_999_999_999),
  fc.nat({ max: 999_999_999_999_999 }),
);
const names = fc.constantFrom('instance-1', 'x', '-', '{}', '7', 'a'.repeat(128));
const announced = fc.record({ call: calls, epoch: epochs, from: names });
const pieces = [
  '-',
  ' ',
  '  ',
  '\n',
  '\0',
  '0',
  '-1',
  '1e3',
  '99999999999999999999',
  theCall,
  other,
  'NaN',
  '\ufeff',
];
const message = fc.oneof(
  { weight: 6, arbitrary: edited(announced.map(stopMessage), pieces, 3) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
);

describe('whatever is published as an announced stop', () => {
  test('is read as it was told', () => {
    fc.assert(
      fc.property(announced, (stop) => expect(stopIn(stopMessage(stop))).toEqual(stop)),
      cases(),
    );
  });

  test('is nothing, or names one call, an epoch that a call can have, and who has told it', () => {
    let known = 0;
    fc.assert(
      fc.property(message, (text) => {
        const stop = stopIn(text);
        if (stop === undefined) return;
        known += 1;
        expect(parseCallKey(stop.call)).toBe(stop.call);
        expect(stop.epoch === null || (Number.isSafeInteger(stop.epoch) && stop.epoch >= 0)).toBe(true);
        expect(stop.from).toMatch(/^\S{1,128}$/);
        // Nothing else that was in the text is understood.
        expect(stopIn(stopMessage(stop))).toEqual(stop);
      }),
      cases(),
    );
    expect(known).toBeGreaterThan(ofLongRun(50));
  });

  test('opens no gate, and changes no call', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 6 }), (texts) =>
        inWorld({ ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 }, async (world) => {
          await world.recording();
          await world.admitted(1);
          const admits = (call: CallKey): boolean =>
            world.instances[1]!.gate.admitNow(call, bot)?.ok === true;
          for (const text of texts) {
            const before = admits(theCall);
            const stop = stopIn(text);
            if (stop !== undefined) await world.run(world.store.sessions.announceStop(stop));
            expect(admits(theCall) && !before).toBe(false);
            expect(await world.run(world.write(1, bot, other))).toRefuse('RecordingNotActive');
          }
          expect(await world.state()).toBe('recording');
          expect((await world.events()).filter((event) => event !== 'bound')).toEqual([
            'startRequested',
            'startConfirmed',
          ]);
        }),
      ),
      cases(1 / 20),
    );
  });
});
