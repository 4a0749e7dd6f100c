import { Fault, messageOf } from '../../src/core/errors.ts';
import type { Connection } from '../../src/store/redis/connection.ts';
import type { Script } from '../../src/store/redis/scripts.ts';
import type { Reply } from '../support/virtual-redis/reply.ts';
import type { VirtualRedis } from '../support/virtual-redis/server.ts';
import type { Weather } from './chance.ts';
import type { Engine, Process } from './engine.ts';
import type { Fate } from './store-ports.ts';

type Named = Readonly<Record<string, string>>;

interface Command {
  readonly effect: () => Reply;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (fault: Fault) => void;
}

/** Commands of one name that a process sends at once: they travel together, as they would in one packet. */
interface Packet {
  readonly name: string;
  readonly commands: Command[];
}

/** One connection of TCP. */
interface Link {
  /** The server, or the network, has dropped it; the process may not know yet. */
  isBroken: boolean;
  /** What this process waits for. */
  readonly pending: Set<(why: string) => void>;
}

interface Surroundings {
  readonly engine: Engine;
  readonly weather: Weather;
  readonly server: VirtualRedis;
  readonly process: Process;
  readonly commandTimeoutMs: number;
  /** What a judgement of the server's configuration would say. */
  readonly kept: boolean | undefined;
  /** In how many ms the server can be reached; 0: now, Infinity: nobody knows. */
  readonly reachableIn: () => number;
  readonly fate: (occasion: string) => Fate | undefined;
  readonly wakeLost: number;
  /** Whether nothing that is published reaches it. */
  readonly isDeaf: () => boolean;
  /** How long the reply to this is to take, ms, if there is a plan for it. */
  readonly lateMs: (name: string) => number | undefined;
  /** A script took effect. */
  readonly ran: (script: Script, reply: Reply, keys: Named, args: Named) => void;
  /** A script was refused, or failed. */
  readonly failed: (script: Script, failure: Failure, args: Named) => void;
}

export interface Failure {
  readonly why: string;
  /** It had written something before. */
  readonly wrote: boolean;
}

type Answer = { readonly reply: Reply } | { readonly why: string };

const unreached = (): Fault => new Fault('StoreUnavailable', 'the store is not connected');

/** One process's side of the network to Redis. */
export class RedisClient {
  readonly connection: Connection;
  readonly process: Process;
  readonly #around: Surroundings;
  #link: Link | undefined;
  #losses = 0;
  #attempts = 0;
  readonly #lossListeners: (() => void)[] = [];
  #packets: Packet[] = [];
  readonly #messages = new Set<(channel: string, message: string) => void>();
  readonly #ready = new Set<() => void>();
  readonly #subscriptions = new Map<string, () => void>();

  constructor(around: Surroundings) {
    this.#around = around;
    this.process = around.process;
    this.connection = this.#connection();
    this.reconnect();
  }

  /** The server's side of the connection is gone; the process learns of it when it can be reached. */
  breakDown(cutOffMs = 0): void {
    const link = this.#link;
    if (link === undefined || link.isBroken) return;
    link.isBroken = true;
    const { engine, weather, process } = this.#around;
    const takes = cutOffMs + weather.delay(`${process.slot} close`);
    engine.schedule(takes, `${process.name} <- close`, () => this.#lost(link), process);
  }

  /** At once if the server can be reached; else it tries again, less and less often. */
  reconnect(): void {
    if (this.#link !== undefined) {
      if (!this.#link.isBroken) return;
      this.#lost(this.#link);
    }
    const { reachableIn, engine, process, commandTimeoutMs } = this.#around;
    if (reachableIn() > 0) {
      const ms = Math.min(50 * 2 ** this.#attempts++, 2 * commandTimeoutMs);
      engine.schedule(ms, `${process.name} reconnect`, () => this.#link ?? this.reconnect(), process);
      return;
    }
    this.#attempts = 0;
    this.#link = { isBroken: false, pending: new Set() };
    for (const listener of this.#ready) listener();
  }

  #lost(link: Link): void {
    if (this.#link !== link) return;
    const { engine, process } = this.#around;
    engine.note(`${process.name} has lost its connection`);
    this.#link = undefined;
    this.#losses += 1;
    for (const stop of this.#subscriptions.values()) stop();
    this.#subscriptions.clear();
    for (const fail of [...link.pending]) fail('the connection broke');
    for (const listener of this.#lossListeners) listener();
    engine.schedule(50, `${process.name} reconnect`, () => this.#link ?? this.reconnect(), process);
  }

  #connection(): Connection {
    const { server, ran, failed, kept } = this.#around;
    return {
      script: async (script, keys, args, more = []) => {
        const effect = (): Reply => {
          const { changes } = server;
          try {
            const reply = server.script(
              script,
              [...script.keys.map((key) => keys[key]), ...more],
              script.args.map((arg) => args[arg]),
            );
            ran(script, reply, keys, args);
            return reply;
          } catch (error) {
            failed(script, { why: messageOf(error), wrote: server.changes > changes }, args);
            throw error;
          }
        };
        return script.decode(await this.#run(script.name, effect));
      },
      command: (name, ...args) => this.#run(name, () => server.command(name, ...args)),
      ready: () => Promise.resolve(),
      losses: () => this.#losses,
      onLoss: (listener) => void this.#lossListeners.push(listener),
      kept: () => kept,
      memory: () => Promise.resolve(undefined),
      kind: 'single',
      subscriber: this.#subscriber() as unknown as Connection['subscriber'],
      close: () => undefined,
    };
  }

  /** A connection of its own, which in the simulation fares as the one for commands does. */
  #subscriber(): object {
    const isReady = (): boolean => this.#link !== undefined;
    const subscribed = (channels: readonly string[]): Reply => {
      for (const channel of channels) {
        this.#subscriptions.get(channel)?.();
        this.#subscriptions.set(
          channel,
          this.#around.server.subscribe(channel, (_, message) => this.#wake(channel, message)),
        );
      }
      return channels.length;
    };
    return {
      get status() {
        return isReady() ? 'ready' : 'reconnecting';
      },
      on: (event: string, listener: (channel: string, message: string) => void) => {
        if (event === 'message') this.#messages.add(listener);
        else if (event === 'ready') this.#ready.add(() => listener('', ''));
      },
      subscribe: (...channels: readonly string[]) => this.#run('subscribe', () => subscribed(channels)),
      unsubscribe: (channel: string) =>
        this.#run('unsubscribe', () => {
          this.#subscriptions.get(channel)?.();
          return 1;
        }),
    };
  }

  #wake(channel: string, message: string): void {
    const { engine, weather, process, wakeLost, reachableIn, isDeaf } = this.#around;
    const link = this.#link;
    const isLost = weather.fault(`${process.slot} wake`, wakeLost, () => true) ?? false;
    if (isLost || isDeaf() || reachableIn() > 0) {
      engine.note(`${process.name} is not woken`);
      return;
    }
    const wake = (): void => {
      if (this.#link === link) for (const listener of this.#messages) listener(channel, message);
    };
    engine.schedule(weather.delay(`${process.slot} wake`), `${process.name} is woken`, wake, process);
  }

  #run(name: string, effect: () => Reply): Promise<Reply> {
    if (this.#link === undefined) return Promise.reject(unreached());
    return new Promise((resolve, reject) => {
      const last = this.#packets.at(-1);
      const command = { effect, resolve, reject };
      if (last?.name === name) {
        last.commands.push(command);
        return;
      }
      this.#packets.push({ name, commands: [command] });
      if (last === undefined) queueMicrotask(() => this.#flush());
    });
  }

  #flush(): void {
    const packets = this.#packets;
    this.#packets = [];
    for (const packet of packets) {
      const link = this.#link;
      if (link === undefined) for (const { reject } of packet.commands) reject(unreached());
      else this.#send(packet, link);
    }
  }

  #send({ name, commands }: Packet, link: Link): void {
    const { engine, weather, process, commandTimeoutMs, fate, reachableIn, lateMs } = this.#around;
    const occasion = `${process.slot} ${name}`;
    const fail = (why: string): void => {
      link.pending.delete(fail);
      cancel();
      for (const { reject } of commands) reject(new Fault('StoreUnavailable', why));
    };
    const cancel = process.clock.after(commandTimeoutMs, () => fail('no answer in time'));
    link.pending.add(fail);
    const never = (what: string): void => engine.note(`${process.name}'s ${name}${what}`);
    /** When a message arrives; undefined: never. */
    const takes = (befalls: Fate | undefined, what: 'request' | 'reply'): number | undefined => {
      if (befalls?.kind === 'reset') this.breakDown();
      if (befalls?.kind === 'reset' || befalls?.kind === 'lost') return undefined;
      const cutOffMs = reachableIn();
      // What cannot get through is sent again and again, by TCP, and may arrive when the sender has long given up.
      const isHeld =
        cutOffMs > 0 &&
        cutOffMs < Infinity &&
        (weather.fault(`${occasion} ${what} held`, 0.5, () => true) ?? false);
      if (cutOffMs > 0 && !isHeld) return undefined;
      return cutOffMs + (befalls?.kind === 'slow' ? befalls.ms : weather.delay(occasion));
    };

    const reply = (answers: readonly Answer[]): void => {
      const ms = takes(fate(`${occasion} reply`), 'reply');
      if (ms === undefined) {
        never(': the reply never arrives');
        return;
      }
      const arrive = (): void => {
        // What was on its way when the other side closed may still be read; what comes after the close may not.
        if (!link.pending.delete(fail)) return;
        cancel();
        commands.forEach(({ resolve, reject }, index) => {
          const answer = answers[index]!;
          if ('why' in answer) reject(new Fault('StoreUnavailable', answer.why));
          else resolve(answer.reply);
        });
      };
      engine.schedule(lateMs(name) ?? ms, `${process.name} <- ${name}`, arrive, process);
    };
    const takeEffect = (): void => {
      if (link.isBroken || reachableIn() > 0) never(' never arrives');
      else reply(this.#effects(name, commands));
    };

    const befalls = fate(`${occasion} request`);
    const ms = takes(befalls, 'request');
    if (ms === undefined) {
      never(' never arrives');
      return;
    }
    engine.schedule(ms, `store <- ${process.name} ${name}`, takeEffect);
    if (befalls?.kind !== 'twice') return;
    engine.schedule(ms + befalls.ms, `store <- ${process.name} ${name} again`, () => {
      if (link.isBroken) return;
      never(' takes effect again');
      this.#effects(name, commands);
    });
  }

  #effects(name: string, commands: readonly Command[]): Answer[] {
    return commands.map(({ effect }): Answer => {
      try {
        return { reply: effect() };
      } catch (error) {
        const why = messageOf(error);
        if (/^(OOM|READONLY|NOREPLICAS|MISCONF|NOPERM) /.test(why)) {
          this.#around.engine.note(`${this.process.name}'s ${name} is refused: ${why.slice(0, 60)}`);
          return { why };
        }
        this.#around.engine.violated(`Redis fails at ${name}: ${why}`);
        return { why };
      }
    });
  }
}
