import { afterEach, expect, test } from '@jest/globals';
import { redisStore } from '../../../src/store/redis/client.ts';
import { newCall } from '../../conformance/store-fixtures.ts';
import { eventually } from '../../support/eventually.ts';
import { RedisGates, waitIsOver } from '../../support/redis-gates.ts';
import { startRedis } from '../../support/redis.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

test('a start opens a call again whose epoch is from before a restart that may have forgotten its stop', async () => {
  const redis = await startRedis({ appendOnly: true, settings: ['--appendfsync', 'everysec'] });
  cleanUp.push(() => redis.stop());
  const gates = new RedisGates({ graphTimeoutMs: 400 });
  cleanUp.push(() => gates.close());
  const store = redisStore(redis.url);
  await store.ready();
  const gate = await gates.open(store);
  await waitIsOver(redis);
  const call = newCall();
  await gates.recording(gate, call);
  gates.finish((await gates.write(gate, call))!);
  await redis.restart({ keepData: true });
  await eventually(() => !gate.isReady());
  await gates.ready(gate);
  await gates.recording(gate, call);
  expect(await gates.write(gate, call)).toBeDefined();
  expect(gates.sent).toEqual(['recording', 'notRecording', 'recording']);
  expect(gates.violations).toEqual([]);
});
