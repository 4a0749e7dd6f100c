#!/usr/bin/env node
import { join } from 'node:path';
import { exitWithStartError } from '../server/failed-start.ts';
import { connectPeers, startPeers } from '../sandbox/peers.ts';

/** The port of the proxy that Graph notifies; the peers are on the ports after it. */
const port = 8080;

/** The sandbox's peers without its proxy, for proxies that are started on their own. */
const peers = await startPeers('127.0.0.1', port, join(process.cwd(), '.tallylight')).catch(
  exitWithStartError,
);
connectPeers(peers, `http://127.0.0.1:${port}`);
const { mint, graph, sink, callbackBot } = peers;
process.stdout.write(
  `fake Graph ${graph.url}, media sink ${sink.url}, token mint ${mint.url}, bot endpoint ${callbackBot.url}\n`,
);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));
