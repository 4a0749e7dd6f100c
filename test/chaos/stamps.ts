import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { closeFrame } from '../../src/core/http/websocket.ts';
import { monotonic } from '../../src/sandbox/loopback.ts';
import { acceptWebSocket, payloadOf } from '../../src/sandbox/websocket-handler.ts';

/** Some bytes of one write, as the sink stored them. */
export interface StampedBytes {
  /** Monotonic, ms. */
  readonly at: number;
  /** When they had left the proxy, monotonic, ms; undefined: unknown. */
  readonly leftAt: number | undefined;
  readonly from: number;
  readonly to: number;
}

/** An upload, or a WebSocket: then its bytes are the payload of data frames. */
export interface StampedWrite {
  readonly isStream: boolean;
  /** The last segment of its path. */
  readonly name: string;
  /** Undashed, lower case. */
  readonly call: string;
  /** As the proxy told it. */
  readonly epoch: number;
  readonly ranges: StampedBytes[];
  /** When it ended normally, a WebSocket with a Close frame, so that it is kept, monotonic, ms; undefined: it did not. */
  endedAt: number | undefined;
}

export interface StampingSink {
  readonly url: string;
  readonly writes: readonly StampedWrite[];
  close(): Promise<void>;
}

/** A write that is coming. */
interface Begun {
  readonly store: (chunk: Buffer) => void;
  readonly end: () => void;
}

/** When so many bytes from this port had left the proxy. */
type Departure = (port: number, bytes: number) => number | undefined;

/** A media handler that notes of every range of bytes when it was stored, by one monotonic clock. */
export async function startStampingSink(departure: Departure): Promise<StampingSink> {
  const writes: StampedWrite[] = [];
  const streams = new Set<Socket>();
  const begin = ({ url = '', headers, socket }: IncomingMessage, isStream: boolean): Begun => {
    const [, , call = '', name = ''] = url.split('/');
    const port = socket.remotePort ?? 0;
    const write: StampedWrite = {
      isStream,
      name,
      call: call.replaceAll('-', '').toLowerCase(),
      epoch: Number(headers['tallylight-epoch']),
      ranges: [],
      endedAt: undefined,
    };
    writes.push(write);
    return {
      // Nothing is read from the connection between the arrival of a chunk and this.
      store(chunk) {
        const from = write.ranges.at(-1)?.to ?? 0;
        const leftAt = departure(port, socket.bytesRead);
        write.ranges.push({ at: monotonic(), leftAt, from, to: from + chunk.length });
      },
      end() {
        write.endedAt = monotonic();
      },
    };
  };
  const server = createServer((req, res) => {
    const { store, end } = begin(req, false);
    req.on('data', store);
    req.on('end', () => {
      end();
      res.writeHead(201).end();
    });
    req.on('error', () => res.destroy());
  });
  const follow = async (req: IncomingMessage, socket: Socket, head: Buffer): Promise<void> => {
    const { store, end } = begin(req, true);
    acceptWebSocket(req, socket);
    for await (const payload of payloadOf(socket, head)) store(payload);
    end();
    socket.end(closeFrame(1000, ''));
  };
  server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
    streams.add(socket);
    socket.on('error', () => undefined).once('close', () => streams.delete(socket));
    follow(req, socket, head).catch(() => socket.destroy());
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    writes,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      for (const socket of streams) socket.destroy();
      await closed;
    },
  };
}
