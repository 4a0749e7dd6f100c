import type { Script } from '../../../src/store/redis/scripts.ts';
import { commands, writes } from './commands.ts';
import { Keyspace } from './keyspace.ts';
import { runtime } from './lua.ts';
import { RedisError, type Reply } from './reply.ts';

export interface VirtualRedisOptions {
  /** The server's clock, whole ms since the epoch. */
  readonly clock: () => number;
  /** A time that never goes back, ms. */
  readonly elapsed: () => number;
  /** Whether it writes what it is told to a disk. */
  readonly appendOnly: boolean;
  /** So much of the last moments a restart can lose, ms. */
  readonly memoryMs: number;
}

type Listener = (channel: string, message: string) => void;

const unpromoted = '0'.repeat(40);

/**
 * A Redis in the memory and the time of a test: the commands and the Lua that the store uses, nothing else. Every command
 * and every script is one step.
 */
export class VirtualRedis {
  readonly #options: VirtualRedisOptions;
  readonly #data: Keyspace;
  readonly #channels = new Map<string, Set<Listener>>();
  /** Whether it has reached the limit of its memory. */
  isFull = false;
  /** With what it refuses whatever may write; undefined: it does not. */
  refusal: string | undefined;
  /** The one command that its users may not run. */
  forbidden: string | undefined;
  /** How many servers this has been, one after the other. */
  #runs = 1;
  #promotion = unpromoted;

  constructor(options: VirtualRedisOptions) {
    this.#options = options;
    this.#data = new Keyspace(options.clock, options.elapsed, options.memoryMs);
  }

  /** How many changes there were to its data. */
  get changes(): number {
    return this.#data.changes;
  }

  command(name: string, ...args: readonly string[]): Reply {
    if (this.refusal !== undefined && writes.has(name.toUpperCase())) throw new RedisError(this.refusal);
    return this.#run(name.toUpperCase(), args);
  }

  script({ lua }: Pick<Script, 'lua'>, keys: readonly string[], args: readonly string[]): Reply {
    if (this.isFull && /^#!lua(?!.*allow-oom)/.test(lua))
      throw new RedisError(
        "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
      );
    if (this.refusal !== undefined) throw new RedisError(this.refusal);
    return runtime.run(lua, keys, args, { call: this.#run, mayCall: (name) => this.#mayRun(name) });
  }

  /** Returns the way to stop. */
  subscribe(channel: string, listener: Listener): () => void {
    const listeners = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Another process on the data of this one; nobody is connected to it. */
  restart(lostMs: number): void {
    this.#runs += 1;
    this.#promotion = unpromoted;
    this.#channels.clear();
    this.#data.undo(lostMs);
  }

  /** As `restart`, without any data. */
  restartEmpty(): void {
    this.restart(0);
    this.#data.clear();
  }

  /** A replica that had not yet got the last changes takes the place of its primary. */
  takeOver(lagMs: number): void {
    const before = this.#runs;
    this.restart(lagMs);
    this.#promotion = nameOf(before);
  }

  #mayRun(name: string): boolean {
    return name.toUpperCase() !== this.forbidden;
  }

  readonly #run = (name: string, args: readonly string[]): Reply => {
    const now = this.#options.clock();
    if (!this.#mayRun(name)) throw new RedisError(`NOPERM this user has no permissions to run '${name}'`);
    switch (name) {
      case 'TIME':
        return [String(Math.floor(now / 1000)), String((now % 1000) * 1000)];
      case 'INFO':
        return this.#info(args);
      case 'PUBLISH':
        return this.#publish(args);
      default: {
        const run = Object.hasOwn(commands, name) ? commands[name] : undefined;
        if (run === undefined) throw new RedisError(`ERR unknown command '${name}'`);
        return run(this.#data, args, now);
      }
    }
  };

  #info(sections: readonly string[]): string {
    const all: Readonly<Record<string, string>> = {
      server: `redis_version:7.0.15\r\nrun_id:${nameOf(this.#runs)}\r\n`,
      replication: `role:master\r\nmaster_replid2:${this.#promotion}\r\n`,
      persistence: `loading:0\r\naof_enabled:${Number(this.#options.appendOnly)}\r\n`,
    };
    return sections
      .map((section) => {
        const text = all[section];
        if (text === undefined) throw new RedisError(`ERR no section ${section} here`);
        return `# ${section}\r\n${text}`;
      })
      .join('\r\n');
  }

  #publish([channel = '', message = '']: readonly string[]): number {
    const listeners = [...(this.#channels.get(channel) ?? [])];
    for (const listener of listeners) listener(channel, message);
    return listeners.length;
  }
}

/** Forty hexadecimal digits, another number for every server. */
const nameOf = (run: number): string => run.toString(16).padStart(40, 'a');
