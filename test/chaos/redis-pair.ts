import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { startRedis, startSentinel, type TestRedis } from '../support/redis.ts';
import { Bundle, startRelay, type Relay, type Way } from './relay.ts';

/** A primary with a replica, and a Sentinel that decides which is which. */
export interface RedisPair {
  /** Without a relay between. */
  readonly url: string;
  /** A way of its own for each proxy, to both servers and to Sentinel. */
  newWay(): Promise<StoreWay>;
  primary(): Promise<TestRedis>;
  /** Kills the primary until the replica has taken over, whose clock is another, and starts it again. */
  failOver(aheadMs: number): Promise<void>;
  /** Somebody sets the clock of the primary: it goes on from there. */
  step(byMs: number): Promise<void>;
  /** An operator takes a command from the users of the primary, for so long. */
  forbid(command: string, ms: number): Promise<void>;
  /** The primary has reached the limit of its memory, for so long. */
  full(ms: number): Promise<void>;
  /** Stops the primary until the replica has taken over, and lets it go on: then there are two, until Sentinel ends that. */
  splitBrain(): Promise<void>;
  /** Resolves once both are in step and Sentinel knows it, so that one may be lost. */
  inStep(): Promise<void>;
  /** Resolves once what is written is kept by both again; until then proxies that wait for a replica have no store. */
  whole(): Promise<void>;
  /** Stops the replica for a while: what is written has nowhere to be kept. */
  pauseReplica(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export interface StoreWay {
  readonly url: string;
  readonly way: Way;
  close(): Promise<void>;
}

/** Sentinel looks at its servers every ten seconds. */

export async function startRedisPair(): Promise<RedisPair> {
  const cleanUp: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const clean of cleanUp.splice(0).reverse()) await clean();
  };
  try {
    const servers: TestRedis[] = [];
    for (let n = 0; n < 2; n += 1) {
      const server = await startRedis({
        appendOnly: true,
        settings: ['--repl-diskless-sync-delay', '0'],
        settableClock: true,
      });
      cleanUp.push(() => server.stop());
      servers.push(server);
    }
    const [first, second] = servers as [TestRedis, TestRedis];
    // Not on its command line: after a failover it comes back as what it was by then.
    await second.cli('replicaof', '127.0.0.1', String(first.port));
    const sentinel = await startSentinel(first);
    cleanUp.push(() => sentinel.stop());
    await sentinel.cli('sentinel', 'set', 'primary', 'failover-timeout', '5000');

    const primary = async (): Promise<TestRedis> => {
      const [, port] = (await sentinel.cli('sentinel', 'get-master-addr-by-name', 'primary')).split('\n');
      return servers.find((server) => String(server.port) === port?.trim()) ?? first;
    };
    const replica = async (): Promise<TestRedis> => {
      const one = await primary();
      return servers.find((server) => server !== one)!;
    };
    const isWhole = async (): Promise<boolean> => {
      const replication = await (await replica()).cli('info', 'replication').catch(() => '');
      return replication.includes('master_link_status:up');
    };
    const isKnown = async (): Promise<boolean> => {
      const known = await sentinel.cli('sentinel', 'replicas', 'primary');
      return (await isWhole()) && known.includes(`:${(await replica()).port}`);
    };
    const inStep = async (): Promise<void> => {
      await eventually(isKnown, { what: 'a replica that Sentinel knows' });
    };
    const whole = async (): Promise<void> => {
      await eventually(isWhole, { what: 'a replica in step' });
    };
    await inStep();
    return {
      url: sentinel.url,
      newWay: () => openWay(servers, sentinel.url),
      primary,
      inStep,
      whole,
      async failOver(aheadMs) {
        const old = await primary();
        await (await replica()).setClock(aheadMs);
        // It breaks with a primary that it takes for silent, and has to find it again.
        await inStep();
        await old.kill('SIGKILL');
        await eventually(async () => (await primary()) !== old, { what: 'a failover' });
        await old.restart({ keepData: true });
        // Sentinel would do so in some ten seconds.
        await old.cli('replicaof', '127.0.0.1', String((await primary()).port));
      },
      async step(byMs) {
        const one = await primary();
        const [seconds] = (await one.cli('time')).split('\n');
        await one.setClock(Number(seconds) * 1000 + byMs - Date.now());
      },
      async full(ms) {
        const one = await primary();
        await one.cli('config', 'set', 'maxmemory', '1');
        await sleep(ms);
        await one.cli('config', 'set', 'maxmemory', '0');
      },
      async forbid(command, ms) {
        const one = await primary();
        await one.cli('acl', 'setuser', 'default', `-${command}`);
        await sleep(ms);
        await one.cli('acl', 'setuser', 'default', `+${command}`);
      },
      async splitBrain() {
        const old = await primary();
        await old.kill('SIGSTOP');
        await eventually(async () => (await primary()) !== old, { what: 'a failover' });
        await old.kill('SIGCONT');
      },
      async pauseReplica(ms) {
        const other = await replica();
        await other.kill('SIGSTOP');
        await sleep(ms);
        await other.kill('SIGCONT');
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Sentinel tells where the primary is; on this way it tells of the relay before it. */
async function openWay(servers: readonly TestRedis[], sentinelUrl: string): Promise<StoreWay> {
  const relays: Relay[] = [];
  const open = async (options: Parameters<typeof startRelay>[0]): Promise<string> => {
    const relay = await startRelay(options);
    relays.push(relay);
    return new URL(relay.url).port;
  };
  const ports = new Map<string, string>();
  for (const { port } of servers) ports.set(String(port), await open({ target: `http://127.0.0.1:${port}` }));
  const sentinel = await open({
    target: `http://${new URL(sentinelUrl).host}`,
    translate: (reply) =>
      Buffer.from(
        reply.toString('latin1').replaceAll(/\$\d+\r\n(\d+)\r\n/g, (string, port: string) => {
          const mapped = ports.get(port);
          return mapped === undefined ? string : `$${mapped.length}\r\n${mapped}\r\n`;
        }),
        'latin1',
      ),
  });
  return {
    url: `redis+sentinel://127.0.0.1:${sentinel}/primary`,
    way: new Bundle(relays),
    close: async () => {
      for (const relay of relays) await relay.close();
    },
  };
}
