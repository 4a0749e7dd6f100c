import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP relay between two parties, which can be slow, silent or gone. */
export interface Relay {
  readonly url: string;
  /** Every byte takes this long, ms. */
  delayMs: number;
  /** Nothing passes in either direction; connections stay open, as behind a dropped packet. */
  silent: boolean;
  /** Resets every connection. */
  cut(): void;
  close(): Promise<void>;
}

const retryMs = 10;

/** Listens on a free port, and passes everything on to `target`. A reset on one side resets the other. */
export async function startRelay(target: string): Promise<Relay> {
  const { hostname, port, pathname } = new URL(target);
  const open = new Set<Socket>();
  const state = { delayMs: 0, silent: false };

  const pass = (from: Socket, to: Socket): void => {
    let last = Promise.resolve();
    const later = (run: () => void): void => {
      const due = Date.now() + state.delayMs;
      last = last.then(async () => {
        while ((state.silent || Date.now() < due) && !to.destroyed)
          await new Promise((resolve) => setTimeout(resolve, retryMs));
        // What was on its way when the connection was reset is lost, as in a kernel's buffer.
        if (!to.destroyed) run();
      });
    };
    from.on('data', (chunk: Buffer) => {
      from.pause();
      later(() => {
        to.write(chunk);
        from.resume();
      });
    });
    from.on('end', () => later(() => to.end()));
    from.on('error', () => to.resetAndDestroy());
    from.on('close', () => {
      open.delete(from);
      if (!from.readableEnded) to.destroy();
    });
  };

  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    for (const socket of [near, far]) open.add(socket);
    pass(near, far);
    pass(far, near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname === '/' ? '' : pathname}`,
    get delayMs() {
      return state.delayMs;
    },
    set delayMs(ms) {
      state.delayMs = ms;
    },
    get silent() {
      return state.silent;
    },
    set silent(silent) {
      state.silent = silent;
    },
    cut() {
      for (const socket of open) socket.resetAndDestroy();
    },
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
