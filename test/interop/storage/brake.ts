import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** What may not pass: what clients send, what the server answers, or new connections. */
type Held = 'requests' | 'answers' | 'connections';

/** A way to a server that can be held up or broken, byte for byte the same otherwise. */
export interface Brake {
  readonly url: string;
  /** Nothing of the kind passes until `release`. */
  hold(what: Held): void;
  release(): void;
  /** Breaks every connection. */
  cut(): void;
  /** Bytes that came from clients, also those that wait. */
  readonly bytes: number;
  close(): Promise<void>;
}

export async function startBrake(to: string): Promise<Brake> {
  const { hostname, port } = new URL(to);
  const sockets = new Set<Socket>();
  const releases = new Set<() => void>();
  let held: Held | undefined;
  let bytes = 0;

  /** What came while it is held waits here; nothing more is read then. */
  function pass(from: Socket, to: Socket, kind: Held): void {
    const waiting: Buffer[] = [];
    from.on('data', (chunk) => {
      if (kind === 'requests') bytes += chunk.length;
      if (held !== kind) to.write(chunk);
      else {
        waiting.push(chunk);
        from.pause();
      }
    });
    const release = (): void => {
      for (const chunk of waiting.splice(0)) to.write(chunk);
      from.resume();
    };
    releases.add(release);
    sockets.add(from);
    from.on('error', () => undefined);
    from.on('end', () => to.end());
    from.on('close', () => {
      releases.delete(release);
      sockets.delete(from);
      // What was given up on one side does not arrive on the other.
      if (!from.readableEnded) to.resetAndDestroy();
    });
  }

  const listener = createServer((client) => {
    if (held === 'connections') {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = connect(Number(port), hostname);
    pass(client, server, 'requests');
    pass(server, client, 'answers');
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const cut = (): void => sockets.forEach((socket) => socket.resetAndDestroy());
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    hold(what) {
      held = what;
      if (what === 'connections') cut();
    },
    release() {
      held = undefined;
      releases.forEach((release) => release());
    },
    cut,
    get bytes() {
      return bytes;
    },
    async close() {
      const closed = once(listener, 'close');
      listener.close();
      cut();
      await closed;
    },
  };
}
