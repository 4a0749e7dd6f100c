import { createServer, type ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import { grant } from '../../../../src/core/decision.ts';
import type { CallbackDeps } from '../../../../src/http/callbacks/context.ts';
import { callbackPlane } from '../../../../src/http/callbacks/plane.ts';
import { systemClock } from '../../../../src/http/clock.ts';
import { createLimits } from '../../../../src/http/limits.ts';
import { requestLog } from '../../../../src/http/request-log.ts';
import { listen } from '../../../../src/sandbox/loopback.ts';
import { defaultLimits } from '../../../../src/settings/limits.ts';
import { eventually } from '../../../support/eventually.ts';
import { send } from '../../../support/raw-http.ts';
import { silentLog } from '../../../support/world.ts';

test('the time that is added to a notification holds the time in which it is read, and not the bot’s', async () => {
  let now = 0;
  const added: number[] = [];
  const meter = {
    decision: () => undefined,
    notice: () => undefined,
    notification: (_: number, seconds: number) => void added.push(seconds),
  };
  const serve = callbackPlane({
    verifier: {
      verify: () => {
        now += 30;
        return Promise.resolve(grant({ tenant: 't', app: 'a' }));
      },
    },
    routes: [
      {
        path: '/calling',
        upstream: '',
        bot: {
          forward: async (_given: unknown, _req: unknown, res: ServerResponse) => {
            await new Promise(setImmediate);
            now += 5000;
            res.writeHead(202).end();
            return { kind: 'answered', status: 202, headers: {} };
          },
        },
      },
    ],
    gate: { receiveNotices: () => (now += 700) },
    meter,
    log: silentLog,
    requests: requestLog({ log: silentLog, clock: systemClock }),
    newId: () => 'id',
    now: () => now,
    limits: createLimits({ ...defaultLimits, graphTurnMs: 1000 }, () => now),
  } as unknown as CallbackDeps);
  const { url, close } = await listen(
    createServer((req, res) => void serve(req, res)),
    {},
  );
  try {
    const answer = await send(url, { method: 'POST', path: '/calling', token: 'x', body: '{"value":[]}' });
    expect(answer.status).toBe(202);
    await eventually(() => added.length === 1);
    expect(added).toEqual([0.73]);
  } finally {
    await close();
  }
});
