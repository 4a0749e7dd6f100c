import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestRedis } from '../test/support/redis.ts';

export interface StoreUse {
  /** Commands that clients sent, each second: a script is one. */
  readonly sent: number;
  /** What Redis ran each second, inside of scripts too, by command. */
  readonly ran: Readonly<Record<string, number>>;
}

/** How often Redis has run each command, those inside of scripts included. */
async function commandCounts(redis: TestRedis): Promise<Record<string, number>> {
  const text = await redis.cli('info', 'commandstats');
  return Object.fromEntries(
    [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name = '', calls]) => [name, Number(calls)]),
  );
}

/** Watches for a while what is asked of the store; `MONITOR` tells a client's commands from those of scripts. */
export async function storeUse(redis: TestRedis, seconds: number): Promise<StoreUse> {
  const monitor = connect(redis.port, '127.0.0.1');
  await once(monitor, 'connect');
  let text = '';
  let sent = 0;
  monitor.on('data', (chunk: Buffer) => {
    const lines = (text + chunk.toString('latin1')).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines)
      if (/^\+[\d.]+ \[\d+ (?!lua\])/.test(line) && !line.includes('"info"')) sent += 1;
  });
  monitor.write('MONITOR\r\n');
  const [before, began] = [await commandCounts(redis), performance.now()];
  sent = 0;
  await sleep(seconds * 1000);
  const counted = sent;
  const after = await commandCounts(redis);
  const elapsed = (performance.now() - began) / 1000;
  monitor.destroy();
  const ours = new Set(['info', 'monitor']);
  const ran = Object.entries(after)
    .filter(([name]) => !ours.has(name))
    .map(([name, calls]) => [name, (calls - (before[name] ?? 0)) / elapsed] as const)
    .filter(([, rate]) => rate > 0);
  return { sent: counted / elapsed, ran: Object.fromEntries(ran) };
}

/** Bytes. */
export async function usedMemory(redis: TestRedis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.cli('info', 'memory'))?.[1]);
}
