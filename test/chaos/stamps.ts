import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monotonic } from '../../src/server/sandbox/loopback.ts';

/** Some bytes of one write, as the sink stored them. */
export interface StampedBytes {
  /** Monotonic, ms. */
  readonly at: number;
  /** When they had left the proxy, monotonic, ms; undefined: unknown. */
  readonly leftAt: number | undefined;
  readonly from: number;
  readonly to: number;
}

export interface StampedWrite {
  /** The last segment of its path. */
  readonly name: string;
  /** Undashed, lower case. */
  readonly call: string;
  /** As the proxy told it. */
  readonly epoch: number;
  readonly ranges: StampedBytes[];
  /** When the body ended normally, so that what was stored is kept, monotonic, ms; undefined: it did not. */
  endedAt: number | undefined;
}

export interface StampingSink {
  readonly url: string;
  readonly writes: readonly StampedWrite[];
  close(): Promise<void>;
}

/** When so many bytes from this port had left the proxy. */
type Departure = (port: number, bytes: number) => number | undefined;

/** A media handler that notes of every range of bytes when it was stored, by one monotonic clock. */
export async function startStampingSink(departure: Departure): Promise<StampingSink> {
  const writes: StampedWrite[] = [];
  const server = createServer((req, res) => {
    const [, , call = '', name = ''] = (req.url ?? '').split('/');
    const { socket } = req;
    const port = socket.remotePort ?? 0;
    const write: StampedWrite = {
      name,
      call: call.replaceAll('-', '').toLowerCase(),
      epoch: Number(req.headers['tallylight-epoch']),
      ranges: [],
      endedAt: undefined,
    };
    writes.push(write);
    let stored = 0;
    req.on('data', (chunk: Buffer) => {
      const at = monotonic();
      const leftAt = departure(port, socket.bytesRead);
      write.ranges.push({ at, leftAt, from: stored, to: stored + chunk.length });
      stored += chunk.length;
    });
    req.on('end', () => {
      write.endedAt = monotonic();
      res.writeHead(201).end();
    });
    req.on('error', () => res.destroy());
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
      await closed;
    },
  };
}
