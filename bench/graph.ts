import { startFakeGraph } from '../src/sandbox/graph/fake-graph.ts';
import { startTokenMint } from '../src/sandbox/token-mint.ts';

/** The sandbox's Graph and token mint, with what a proxy must know of them. */
export interface Graph {
  readonly url: string;
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUri: string;
  readonly tokenEndpoint: string;
  /** A bot's token for the proxy. */
  readonly token: string;
  /** The same bot's token for Graph. */
  readonly graphToken: string;
}

const mint = await startTokenMint();
// Its own checks would only add to both sides of every comparison.
const fake = await startFakeGraph({ allowAnyToken: true });
const graph: Graph = {
  url: fake.url,
  issuer: mint.issuer,
  audience: mint.audience,
  jwksUri: mint.jwksUri,
  tokenEndpoint: mint.tokenEndpoint,
  token: await mint.mint({ exp: Math.floor(Date.now() / 1000) + 12 * 3600 }),
  graphToken: await mint.mintGraphToken({ exp: Math.floor(Date.now() / 1000) + 12 * 3600 }),
};
process.send?.(graph);
