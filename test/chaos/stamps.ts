import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monotonic } from '../../src/server/sandbox/loopback.ts';

/** Some bytes of one write, as the sink stored them. */
export interface StampedBytes {
  /** Monotonic, ms. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

export interface StampedWrite {
  /** Undashed, lower case. */
  readonly call: string;
  /** As the proxy told it. */
  readonly epoch: number;
  readonly ranges: StampedBytes[];
  /** The body ended normally: what was stored is kept. */
  complete: boolean;
}

export interface StampingSink {
  readonly url: string;
  readonly writes: readonly StampedWrite[];
  close(): Promise<void>;
}

/** A media handler that notes of every range of bytes when it was stored, by one monotonic clock. */
export async function startStampingSink(): Promise<StampingSink> {
  const writes: StampedWrite[] = [];
  const server = createServer((req, res) => {
    const call = (req.url ?? '').split('/')[2]?.replaceAll('-', '').toLowerCase() ?? '';
    const write: StampedWrite = {
      call,
      epoch: Number(req.headers['tallylight-epoch']),
      ranges: [],
      complete: false,
    };
    writes.push(write);
    let stored = 0;
    req.on('data', (chunk: Buffer) => {
      write.ranges.push({ at: monotonic(), from: stored, to: stored + chunk.length });
      stored += chunk.length;
    });
    req.on('end', () => {
      write.complete = true;
      res.writeHead(201).end();
    });
    req.on('error', () => res.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    writes,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
