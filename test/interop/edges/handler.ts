import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request as the media handler saw it. */
export interface Seen {
  readonly path: string;
  readonly req: IncomingMessage;
  /** When its first byte of body came, monotonic and by the wall clock, ms. */
  firstAt: number | undefined;
  bytes: number;
  how: 'open' | 'whole' | 'cut';
}

export interface Handler {
  readonly url: string;
  readonly seen: readonly Seen[];
  of(name: string): Seen | undefined;
  close(): Promise<void>;
}

/** Takes every body and answers 201 at its end. */
export async function startHandler(): Promise<Handler> {
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((req, res) => {
    const request: Seen = { path: req.url ?? '', req, firstAt: undefined, bytes: 0, how: 'open' };
    seen.push(request);
    req.on('data', (chunk: Buffer) => {
      request.firstAt ??= performance.now();
      request.bytes += chunk.length;
    });
    req.on('close', () => {
      request.how = req.complete ? 'whole' : 'cut';
    });
    req.on('error', () => undefined);
    req.on('end', () => res.writeHead(201).end());
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    of: (name) => seen.find(({ path }) => path.endsWith(`/${name}`)),
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
