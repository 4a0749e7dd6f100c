import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { settableClock } from './faketime.ts';
import { freePort } from './free-port.ts';

export interface RedisOptions {
  /** Keeps every acknowledged write over a restart. */
  readonly appendOnly?: boolean;
  /** Further settings, as on the command line of redis-server. */
  readonly settings?: readonly string[];
  /** Its clock can be set while it runs. */
  readonly settableClock?: boolean;
}

export interface TestRedis {
  readonly port: number;
  readonly url: string;
  /** Runs redis-cli against the server and returns what it prints. */
  cli(...args: readonly string[]): Promise<string>;
  /** Sends a signal; after SIGKILL or SIGTERM, resolves once the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts the server again on the same port, ending it first where it runs; `from`: with data that was copied before. */
  restart(how: { readonly keepData: boolean; readonly from?: string }): Promise<void>;
  /** Sets the clock of the running server, which stays so over a restart: how far it is ahead of true time, ms. Only with `settableClock`. */
  setClock(aheadMs: number): Promise<void>;
  /** Copies what is on the disk once all acknowledged writes are, and returns where it is until `stop`. */
  copyData(): Promise<string>;
  stop(): Promise<void>;
}

/** Options of a store that a test asks directly: on a busy machine an answer may take its time. */
export const patient = { commandTimeoutMs: 60_000 } as const;

/** The settings of a replica of `primary`. */
export const replicaOf = (primary: Pick<TestRedis, 'port'>): RedisOptions => ({
  settings: ['--replicaof', '127.0.0.1', String(primary.port)],
});

export interface TestCluster {
  readonly url: string;
  readonly nodes: readonly TestRedis[];
  stop(): Promise<void>;
}

const run = promisify(execFile);

/** Sentinel closes every connection to a server whose role it changes, redis-cli's as well: then it is asked again. */
async function cliOn(port: number, args: readonly string[], password = ''): Promise<string> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const env = password === '' ? process.env : { ...process.env, REDISCLI_AUTH: password };
      return (await run('redis-cli', ['-p', String(port), ...args], { env })).stdout.trim();
    } catch (error) {
      const said = String((error as { readonly stderr?: unknown }).stderr);
      if (attempt === 5 || !/reset by peer|closed the connection|Broken pipe/i.test(said)) throw error;
    }
  }
}

/** Resolves once the server accepts connections; false: the port was taken meanwhile. */
async function launch(
  args: readonly string[],
  cwd: string,
  {
    sign = 'Ready to accept connections',
    env = {},
  }: { readonly sign?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ChildProcess | false> {
  const child = spawn('redis-server', args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const orphaned = (): boolean => child.kill('SIGKILL');
  process.once('exit', orphaned);
  child.once('close', () => process.off('exit', orphaned));

  let output = '';
  const outcome = await new Promise<'ready' | 'ended' | NodeJS.ErrnoException>((resolve) => {
    const listen = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes(sign)) resolve('ready');
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.once('error', resolve);
    child.once('close', () => resolve('ended'));
  });
  if (outcome === 'ready') return child;
  if (outcome === 'ended') {
    if (output.includes('Address already in use')) return false;
    throw new Error(`redis-server did not start:\n${output}`);
  }
  if (outcome.code !== 'ENOENT') throw outcome;
  throw new Error(
    'redis-server is not on the PATH. Install Redis 7 or later, or run the tests with `npm test`.',
  );
}

/** Starts a private redis-server that is thrown away with its data by `stop`. */
export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-redis-'));
  const argsFor = (port: number): string[] => [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--daemonize', 'no'],
    ...['--repl-diskless-sync-delay', '0'],
    ...(options.appendOnly ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']),
    ...(options.settings ?? []),
  ];
  const clock = options.settableClock === true ? await settableClock(directory) : undefined;
  const how = clock === undefined ? {} : { env: clock.env };
  const aof = join(directory, 'appendonlydir');
  let copies = 0;
  let port = 0;
  let child: ChildProcess | false = false;
  for (let attempt = 0; child === false && attempt < 10; attempt += 1) {
    port = await freePort();
    child = await launch(argsFor(port), directory, how);
  }
  if (child === false) throw new Error('no free port for redis-server');
  let server: ChildProcess = child;

  const { settings = [] } = options;
  const password = settings.includes('--requirepass') ? settings[settings.indexOf('--requirepass') + 1] : '';
  const cli: TestRedis['cli'] = (...args) => cliOn(port, args, password);

  const running = (): boolean => server.exitCode === null && server.signalCode === null;
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (!running()) return;
    const gone = signal === 'SIGKILL' || signal === 'SIGTERM' ? once(server, 'close') : undefined;
    server.kill(signal);
    await gone;
    if (gone !== undefined) await clock?.clear(server.pid);
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    cli,
    kill,
    async setClock(aheadMs) {
      if (clock === undefined) throw new Error('the clock of this redis-server cannot be set');
      await clock.set(aheadMs);
      const shown = async (): Promise<number> => Number((await cli('time')).split('\n')[0]) * 1000;
      await eventually(async () => Math.abs((await shown()) - Date.now() - aheadMs) < 2000, {
        what: `a clock that is ${aheadMs} ms ahead`,
      });
    },
    copyData: async () => {
      // Under `everysec` Redis keeps what it is told to itself while the disk is busy with what came before.
      await eventually(async () => (await cli('info', 'persistence')).includes('aof_buffer_length:0'), {
        what: 'an append-only file that holds every write',
      });
      const copy = join(directory, `copy-${(copies += 1)}`);
      await cp(aof, copy, { recursive: true });
      return copy;
    },
    restart: async ({ keepData, from }) => {
      await kill('SIGKILL');
      if (!keepData || from !== undefined) await rm(aof, { recursive: true, force: true });
      if (from !== undefined) await cp(from, aof, { recursive: true });
      server = await eventually(async () => (await launch(argsFor(port), directory, how)) || undefined, {
        what: `port ${port} being free again`,
      });
    },
    stop: async () => {
      await kill('SIGKILL');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const slots = 16384;

/** Three primaries joined into one cluster; with `replicas`, nodes 3 to 5 are those of nodes 0 to 2. */
export async function startCluster({ replicas = false } = {}): Promise<TestCluster> {
  const nodes: TestRedis[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    const busPorts: number[] = [];
    const size = replicas ? 6 : 3;
    for (let n = 0; n < size; n += 1) {
      const busPort = await freePort();
      busPorts.push(busPort);
      const settings = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort)];
      nodes.push(await startRedis({ settings: [...settings, '--cluster-node-timeout', '2000'] }));
    }
    for (const [n, node] of nodes.slice(0, 3).entries()) {
      const [from, to] = [Math.floor((n * slots) / 3), Math.floor(((n + 1) * slots) / 3) - 1];
      await node.cli('cluster', 'set-config-epoch', String(n + 1));
      await node.cli('cluster', 'addslotsrange', String(from), String(to));
    }
    for (const [n, node] of nodes.entries())
      await nodes[0]!.cli('cluster', 'meet', '127.0.0.1', String(node.port), String(busPorts[n]));
    await eventually(
      async () => {
        const views = await Promise.all(nodes.map((node) => node.cli('cluster', 'info')));
        return views.every(
          (view) => view.includes('cluster_state:ok') && view.includes(`cluster_known_nodes:${size}`),
        );
      },
      { what: `a cluster of ${size} nodes` },
    );
    for (const [n, node] of nodes.slice(3).entries())
      await node.cli('cluster', 'replicate', await nodes[n]!.cli('cluster', 'myid'));
    await eventually(
      async () => {
        const views = await Promise.all(nodes.slice(3).map((node) => node.cli('info', 'replication')));
        return views.every((view) => view.includes('master_link_status:up'));
      },
      { what: 'every replica in step' },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, nodes, stop };
}

/** One sentinel that watches a master under the name `primary`; it takes two seconds of silence for an outage. */
export async function startSentinel(master: TestRedis): Promise<Pick<TestRedis, 'url' | 'cli' | 'stop'>> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-sentinel-'));
  const file = join(directory, 'sentinel.conf');
  const begin = async (): Promise<{ port: number; child: ChildProcess }> => {
    for (;;) {
      const port = await freePort();
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `sentinel monitor primary 127.0.0.1 ${master.port} 1`,
        'sentinel down-after-milliseconds primary 2000',
      ];
      await writeFile(file, lines.join('\n'));
      const child = await launch([file, '--sentinel'], directory, { sign: '+monitor master primary' });
      // Another test was faster to take the port.
      if (child !== false) return { port, child };
    }
  };
  const { port, child } = await begin();
  return {
    url: `redis+sentinel://127.0.0.1:${port}/primary`,
    cli: (...args) => cliOn(port, args),
    stop: async () => {
      const gone = once(child, 'close');
      child.kill('SIGKILL');
      await gone;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
