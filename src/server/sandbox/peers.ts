import { join } from 'node:path';
import { startFakeGraph, type FakeGraph } from './fake-graph.ts';
import { startMediaSink, type MediaSink } from './media-sink.ts';
import { startTokenMint, type TokenMint } from './token-mint.ts';

/** What the proxy stands between. */
export interface Peers {
  readonly mint: TokenMint;
  readonly graph: FakeGraph;
  readonly sink: MediaSink;
  close(): Promise<void>;
}

/** The three peers on the three ports after `port`, or on free ones where it is 0. */
export async function startPeers(host: string, port: number, directory: string): Promise<Peers> {
  const beside = (offset: number): { host: string; port: number } => ({
    host,
    port: port === 0 ? 0 : port + offset,
  });
  const mint = await startTokenMint(beside(3));
  const graph = await startFakeGraph({ ...beside(1), verify: mint.verifyGraphToken });
  const sink = await startMediaSink({ ...beside(2), directory: join(directory, 'media') });
  return {
    mint,
    graph,
    sink,
    async close() {
      await Promise.all([graph.close(), sink.close(), mint.close()]);
    },
  };
}
