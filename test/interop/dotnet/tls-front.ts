import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Certificate } from './certificate.ts';

/** Ends TLS in front of a proxy, and keeps what clients sent, byte for byte. */
export interface TlsFront {
  readonly url: string;
  /** What came on each connection, in the order of the connections. */
  readonly connections: readonly Buffer[][];
  /** Where connections go from now on. */
  target: string;
  /** Ends every connection. */
  cut(): void;
  close(): Promise<void>;
}

export async function startTlsFront({ cert, key }: Certificate): Promise<TlsFront> {
  const connections: Buffer[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ cert, key }, (client) => {
    const { hostname, port } = new URL(front.target);
    const proxy = connect(Number(port), hostname);
    const bytes: Buffer[] = [];
    connections.push(bytes);
    client.on('data', (chunk: Buffer) => bytes.push(chunk));
    client.pipe(proxy).pipe(client);
    for (const [socket, other] of [
      [client, proxy],
      [proxy, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const front: TlsFront = {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    connections,
    target: '',
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      front.cut();
      server.close();
      await once(server, 'close');
    },
  };
  return front;
}
