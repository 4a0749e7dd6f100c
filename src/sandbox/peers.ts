import { join } from 'node:path';
import { Fault, isFault, messageOf } from '../core/errors.ts';
import { startBotEndpoint, type BotEndpoint } from './bot/endpoint.ts';
import { startFakeGraph, type FakeGraph } from './graph/fake-graph.ts';
import { startMediaSink, type MediaSink } from './media-sink.ts';
import { startTokenMint, type TokenMint } from './token-mint.ts';

/** What the proxy stands between. */
export interface Peers {
  readonly mint: TokenMint;
  readonly graph: FakeGraph;
  readonly sink: MediaSink;
  /** What is behind the proxy's callback paths. */
  readonly callbackBot: BotEndpoint;
  close(): Promise<void>;
}

/** The peers on the four ports after `port`, or on free ones where it is 0. */
export async function startPeers(host: string, port: number, directory: string): Promise<Peers> {
  const beside = (offset: number): { host: string; port: number } => ({
    host,
    port: port === 0 ? 0 : port + offset,
  });
  const mint = await startTokenMint(beside(3));
  const graph = await startFakeGraph({
    ...beside(1),
    verify: mint.verifyGraphToken,
    sign: mint.mintNotificationToken,
  });
  const sink = await startMediaSink({ ...beside(2), directory: join(directory, 'media') }).catch(
    (error: unknown) => {
      throw isFault(error) ? error : unusable(directory, error);
    },
  );
  const callbackBot = await startBotEndpoint(beside(4));
  return {
    mint,
    graph,
    sink,
    callbackBot,
    async close() {
      await Promise.all([graph.close(), sink.close(), mint.close(), callbackBot.close()]);
    },
  };
}

const unusable = (directory: string, error: unknown): Fault =>
  new Fault(
    'CannotStart',
    `TALLYLIGHT_SANDBOX_DIR: ${directory} cannot be used: ${messageOf(error)}; name a directory that this process can create and write to`,
    { cause: error },
  );

/** Where the proxy takes notifications; the sandbox's bot is behind it. */
export const callbackPath = '/callbacks/*';

/** Joins the two ends: Graph notifies the bot at this proxy and `path`, and the bot takes calls through it. */
export function connectPeers(
  { graph, callbackBot, mint }: Peers,
  proxy: string,
  path = '/callbacks/calls',
): void {
  const callbackUri = proxy + path;
  graph.connect({ webhook: callbackUri });
  callbackBot.answerCalls({
    proxy,
    callbackUri,
    tokenFor: ({ tenant, app }) => mint.mint({ tid: tenant, azp: app, sub: app }),
  });
}
