import { Fault, messageOf } from '../../../src/core/errors.ts';
import type { Connection } from '../../../src/store/redis/connection.ts';
import type { VirtualRedis } from './server.ts';

/** A connection without a network: everything takes effect, and is answered, at once. */
export function directConnection(server: VirtualRedis): Connection {
  const messages = new Set<(channel: string, message: string) => void>();
  const subscriptions = new Map<string, () => void>();
  let isClosed = false;
  const run = <T>(effect: () => T): Promise<T> =>
    new Promise((resolve) => {
      if (isClosed) throw new Fault('StoreUnavailable', 'the store was closed');
      resolve(effect());
    });
  const failed = (error: unknown): never => {
    throw new Fault('StoreUnavailable', messageOf(error), { cause: error });
  };
  const subscriber = {
    status: 'ready',
    on: (event: string, listener: (channel: string, message: string) => void) => {
      if (event === 'message') messages.add(listener);
    },
    subscribe: (channel: string) =>
      run(() => {
        const stop = server.subscribe(channel, (...told) =>
          messages.forEach((listener) => listener(...told)),
        );
        subscriptions.get(channel)?.();
        subscriptions.set(channel, stop);
      }),
    unsubscribe: (channel: string) => run(() => subscriptions.get(channel)?.()),
  };
  return {
    script: async (script, keys, args, more = []) => {
      const reply = await run(() =>
        server.script(
          script,
          [...script.keys.map((key) => keys[key]), ...more],
          script.args.map((arg) => args[arg]),
        ),
      ).catch(failed);
      return script.decode(reply);
    },
    command: (name, ...args) => run(() => server.command(name, ...args)).catch(failed),
    ready: () => Promise.resolve(),
    losses: () => 0,
    onLoss: () => undefined,
    kept: () => true,
    memory: () => Promise.resolve(undefined),
    kind: 'single',
    subscriber: subscriber as unknown as Connection['subscriber'],
    close: () => {
      isClosed = true;
      for (const stop of subscriptions.values()) stop();
    },
  };
}
