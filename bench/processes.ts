import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const benchDirectory = fileURLToPath(new URL('.', import.meta.url));
export const repository = fileURLToPath(new URL('..', import.meta.url));

const succeeds = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Whether processes can be bound to a core here. */
export const canPin = succeeds('taskset', ['-c', '1', 'true']);

/** The proxies have core 0 to themselves; everything else is on core 1. */
export const proxyCore = 0;
const otherCore = 1;

/** Binds this process, and what it starts without saying otherwise, to the other core. */
export function pinSelf(): void {
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', String(otherCore), String(process.pid)]);
}

const children = new Set<ChildProcess>();

/** Each child is the leader of its own group, so that its workers end with it. */
const kill = (child: ChildProcess): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
};
process.once('exit', () => children.forEach(kill));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

export interface LaunchOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly ipc?: boolean;
  /** A proxy: on the core for proxies. */
  readonly proxy?: boolean;
}

export class Launched {
  readonly child: ChildProcess;
  readonly pid: number;
  output = '';

  constructor(child: ChildProcess) {
    this.child = child;
    this.pid = child.pid ?? 0;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-20_000);
      });
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async stop(): Promise<void> {
    if (this.ended) return;
    const closed = once(this.child, 'close');
    kill(this.child);
    await closed;
  }
}

/** Starts a process that ends with this one at the latest, on failure and on SIGINT too. */
export function launch(command: string, args: readonly string[], options: LaunchOptions = {}): Launched {
  const { PATH = '', HOME = '' } = process.env;
  const pinned = canPin && options.proxy === true;
  const line = pinned ? ['taskset', '-c', String(proxyCore), command, ...args] : [command, ...args];
  const child = spawn(line[0] ?? command, line.slice(1), {
    cwd: options.cwd ?? repository,
    env: { PATH, HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', ...(options.ipc === true ? (['ipc'] as const) : [])],
    detached: true,
  });
  children.add(child);
  child.once('close', () => children.delete(child));
  child.once('error', () => children.delete(child));
  return new Launched(child);
}

/** The next message of a child; rejects with its output if it ends before. */
export async function message<T>(from: Launched, accept: (value: unknown) => value is T): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      from.child.off('message', hear);
      from.child.off('close', ended);
      from.child.off('error', reject);
    };
    const hear = (value: unknown): void => {
      if (!accept(value)) return;
      done();
      resolve(value);
    };
    const ended = (): void => {
      done();
      reject(new Error(`a process ended before its time:\n${from.output}`));
    };
    if (from.ended) ended();
    from.child.on('message', hear);
    from.child.once('close', ended);
    from.child.once('error', reject);
  });
}

/** Runs a module of this folder in a process of its own; its first message is the result. */
export async function runModule<T>(
  node: string,
  module: string,
  args: readonly string[] = [],
  options: LaunchOptions & { readonly flags?: readonly string[] } = {},
): Promise<T> {
  const { flags = [], ...rest } = options;
  const child = launch(node, [...flags, `${benchDirectory}child.mjs`, module, ...args], {
    ...rest,
    ipc: true,
  });
  const result = await message(child, (value): value is T => value !== undefined);
  await child.stop();
  return result;
}

function family(pid: number): number[] {
  const below = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return [pid, ...below.flatMap((child) => family(Number(child)))];
}

/** Time on a processor, user and system, of the threads of a process and of its workers so far, ms. */
export function cpuMs(pid: number): number {
  let nanoseconds = 0;
  for (const one of family(pid))
    for (const thread of readdirSync(`/proc/${one}/task`))
      nanoseconds += Number(readFileSync(`/proc/${one}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return nanoseconds / 1e6;
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
}
