#!/usr/bin/env node
import { join } from 'node:path';
import { startPeers } from './peers.ts';

/** The sandbox's peers without its proxy, for proxies that are started on their own. */
const { mint, graph, sink } = await startPeers('127.0.0.1', 8080, join(process.cwd(), '.tallylight'));
process.stdout.write(`fake Graph ${graph.url}, media sink ${sink.url}, token mint ${mint.url}\n`);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));
