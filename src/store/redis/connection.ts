import { Fault, isFault, messageOf } from '../../core/errors.ts';
import { networkCause } from '../../core/network-cause.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Meter } from '../../core/ports/meter.ts';
import type { StoreMemory } from '../../core/ports/store.ts';
import { fullest } from './memory.ts';
import { durabilityOf, type DurabilityRule } from './durability.ts';
import { assertPermitted } from './permissions.ts';
import type { RedisLogin } from './login.ts';
import type { Script } from './scripts.ts';
import { assertSuitable, type EvictionRule, unsuitable } from './suitable.ts';
import type { RedisTarget } from './target.ts';
import { methodOf, openWire, type Wire, type WireEvents } from './wire.ts';

/** Runs commands on a Redis that was found suitable; every failure is a Fault, and none is repeated. */
export interface Connection {
  script<Key extends string, Arg extends string, Reply>(
    script: Script<Key, Arg, Reply>,
    keys: Readonly<Record<Key, string>>,
    args: Readonly<Record<Arg, string>>,
    /** Further keys, for a script that takes any number. */
    more?: readonly string[],
  ): Promise<Reply>;
  command(name: string, ...args: readonly string[]): Promise<unknown>;
  /** Resolves once a server was reached and judged suitable; rejects with StoreUnsuitable. */
  ready(): Promise<void>;
  /** How often a connection in use has been lost. */
  losses(): number;
  onLoss(listener: () => void): void;
  /** Whether the server keeps over a restart whatever it acknowledges, as of the last judgement; undefined: unknown. */
  kept(): boolean | undefined;
  /** undefined: the servers do not tell. */
  memory(): Promise<StoreMemory | undefined>;
  readonly kind: RedisTarget['kind'];
  readonly subscriber: Wire['subscriber'];
  close(): void;
}

type Methods = Record<string, ((...args: readonly string[]) => Promise<unknown>) | undefined>;

export interface ConnectionOptions {
  readonly commandTimeoutMs: number;
  readonly durability: DurabilityRule;
  readonly eviction: EvictionRule;
  /** What the names of all keys and channels begin with. */
  readonly prefix: string;
  /** So many replicas must have what a script that says so has changed; fewer: it counts as failed. */
  readonly waitReplicas: number;
  /** undefined: with what the URL says. */
  readonly login: RedisLogin | undefined;
  readonly meter: Pick<Meter, 'storeCommand'> | undefined;
  readonly log: Log | undefined;
}

/** After so long a server that was found unsuitable is looked at again, ms. */
const judgeAgainMs = 2000;

const unreached = (): Fault => new Fault('StoreUnavailable', 'the store is not connected');
const closedFault = (): Fault => new Fault('StoreUnavailable', 'the store was closed');

export function connect(
  target: RedisTarget,
  { commandTimeoutMs, durability, eviction, prefix, waitReplicas, login, meter, log }: ConnectionOptions,
): Connection {
  /** Why no command may be sent; undefined: one may. */
  let obstacle: Fault | undefined = unreached();
  let round = 0;
  let again: NodeJS.Timeout | undefined;
  let losses = 0;
  let closed = false;
  let troubled = false;
  let kept: boolean | undefined;
  const warned = new Set<string>();
  const lossListeners: (() => void)[] = [];
  let waiting: { resolve: () => void; reject: (fault: Fault) => void }[] = [];

  const settle = (verdict: Fault | undefined): void => {
    obstacle = verdict;
    for (const { resolve, reject } of waiting) {
      if (verdict === undefined) resolve();
      else reject(verdict);
    }
    waiting = [];
  };

  const warnOnce = (text: string): void => {
    if (!warned.has(text)) log?.warn({}, text);
    warned.add(text);
  };

  const demand = (doubts: readonly string[]): void => {
    if (durability === 'ignore') return;
    if (durability === 'require' && doubts.length > 0) throw unsuitable([...new Set(doubts)].join('; '));
    for (const doubt of doubts) warnOnce(`the store does not give all guarantees: ${doubt}`);
  };

  /** Judges every master. Only the latest round counts: connections may come and go meanwhile. */
  const judge = async (): Promise<void> => {
    const mine = ++round;
    clearTimeout(again);
    try {
      const masters = wire.masters();
      const lacks = await Promise.all(masters.map((master) => assertPermitted(master, prefix)));
      await Promise.all(masters.map((master) => assertSuitable(master, eviction)));
      const found = await Promise.all(
        masters.map((master) => durabilityOf(master, target.kind, waitReplicas)),
      );
      if (mine !== round || closed) return;
      lacks.flat().forEach(warnOnce);
      demand(found.flatMap(({ doubts }) => doubts));
      kept = found.length === 1 ? found[0]?.kept : false;
      // INFO is answered during the handshake already; `changed` is called when that is over.
      if (masters.some(({ status }) => status !== 'ready')) return;
      if (obstacle !== undefined) log?.info({}, 'the store is connected');
      troubled = false;
      settle(undefined);
    } catch (error) {
      if (mine !== round || closed) return;
      if (isFault(error, 'StoreUnsuitable')) {
        if (obstacle?.message !== error.message) log?.error({}, error.message);
        settle(error);
        // Whoever cures it does not break the connection.
        again = setTimeout(() => void judge(), judgeAgainMs).unref();
        return;
      }
      log?.warn({ cause: messageOf(error) }, 'the configuration of a store server could not be checked');
      if (obstacle !== undefined && wire.commands.status === 'ready') wire.commands.disconnect(true);
    }
  };

  const events: WireEvents = {
    connected: () => {
      obstacle = unreached();
      void judge();
    },
    changed: () => void judge(),
    lost: () => {
      losses += 1;
      for (const listener of lossListeners) listener();
    },
    disconnected: () => {
      round += 1;
      if (!closed) obstacle = unreached();
    },
    failed: (error) => {
      // Once per outage. The message alone: the error may carry the arguments of AUTH.
      if (!troubled) {
        const hosts = target.endpoints.map(({ host, port }) => `${host}:${port}`).join(', ');
        log?.warn({ hosts, cause: networkCause(error) ?? messageOf(error) }, 'the store cannot be reached');
      }
      troubled = true;
    },
  };
  const wire = openWire(target, commandTimeoutMs, events, { login, log });

  /**
   * The reply, once enough replicas have what was changed. WAIT knows only what was written on its own connection, so
   * in a cluster it counts only if the key has not moved meanwhile. A connection that is lost fails it.
   */
  const replicated = async (key: string, send: () => Promise<unknown>): Promise<unknown> => {
    const server = wire.serverOf(key);
    const reply = await send();
    const patience = String(Math.ceil(commandTimeoutMs / 2));
    const acknowledged = Number((await server?.call('wait', String(waitReplicas), patience)) ?? 0);
    if (server !== wire.serverOf(key)) throw new Error('the server changed while the command was running');
    if (acknowledged < waitReplicas)
      throw new Error(`${acknowledged} of ${waitReplicas} replicas acknowledged the change`);
    return reply;
  };

  const run = async (name: string, send: () => Promise<unknown>): Promise<unknown> => {
    const began = performance.now();
    let ok = false;
    try {
      // Also a server that is not suitable any more: whoever asks must take it for a store that is away.
      if (obstacle !== undefined)
        throw new Fault(
          'StoreUnavailable',
          [obstacle.message, wire.loginObstacle()].filter((part) => part !== undefined).join(': '),
        );
      const reply = await send();
      ok = true;
      return reply;
    } catch (error) {
      if (isFault(error)) throw error;
      throw new Fault('StoreUnavailable', `the store command ${name} failed: ${messageOf(error)}`, {
        cause: error,
      });
    } finally {
      meter?.storeCommand(name, (performance.now() - began) / 1000, ok);
    }
  };

  return {
    script: async (script, keys, args, more = []) => {
      const method = methodOf(script.name);
      const named = [...script.keys.map((key) => keys[key]), ...more];
      const values = [String(named.length), ...named, ...script.args.map((arg) => args[arg])];
      const reply = await run(script.name, () => {
        const send = async (): Promise<unknown> => (wire.commands as unknown as Methods)[method]?.(...values);
        return script.replicated && waitReplicas > 0 ? replicated(named[0] ?? '', send) : send();
      });
      return script.decode(reply);
    },
    command: (name, ...args) => run(name, () => wire.commands.call(name, [...args])),
    ready: () =>
      obstacle === undefined
        ? Promise.resolve()
        : obstacle.code === 'StoreUnsuitable' || closed
          ? Promise.reject(obstacle)
          : new Promise((resolve, reject) => waiting.push({ resolve, reject })),
    losses: () => losses,
    onLoss: (listener) => void lossListeners.push(listener),
    kept: () => kept,
    // No call depends on it, so it is no command whose failure says that the store is away.
    memory: () =>
      obstacle === undefined ? fullest(wire.masters()).catch(() => undefined) : Promise.resolve(undefined),
    kind: target.kind,
    subscriber: wire.subscriber,
    close: () => {
      closed = true;
      round += 1;
      clearTimeout(again);
      settle(closedFault());
      wire.close();
    },
  };
}
