import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express, { type RequestHandler } from 'express';
import {
  createGate,
  hangUp,
  memoryStore,
  requireRecording,
  updateRecordingStatus,
  type GateOptions,
  type GraphOptions,
  type Log,
  type RecordingGate,
  type RequireRecordingOptions,
  type Store,
} from '../../../middleware/index.ts';
import { isRecord } from '../../../src/core/json.ts';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { verifyJournal } from '../../../src/evidence/verify/verify.ts';

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

export interface HostParts {
  readonly options?: Partial<GateOptions>;
  readonly graph?: Partial<GraphOptions>;
  /** Of `requireRecording`. */
  readonly required?: RequireRecordingOptions;
  /** Before `requireRecording`. */
  readonly before?: readonly RequestHandler[];
  /** Behind `requireRecording`. */
  readonly handlers: readonly RequestHandler[];
  readonly prepare?: (server: Server) => void;
}

/** An application with the middleware, and everything it stands between. Its paths are those of the proxy. */
export interface Host extends Peers {
  readonly url: string;
  readonly gate: RecordingGate;
  bot(): Promise<Bot>;
  /** Closes the gate and returns the evidence, which the verifier accepts. */
  evidence(): Promise<Evidence[]>;
  close(): Promise<void>;
}

export interface Evidence {
  readonly event: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Graph is as new as the store, so no older request can be on the wire. */
export const newStore = (): Store => memoryStore({ livedMs: Infinity });

export async function startHost({
  options,
  graph,
  required,
  before = [],
  handlers,
  prepare,
}: HostParts): Promise<Host> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-host-'));
  const peers = await startPeers('127.0.0.1', 0, directory);
  const { mint } = peers;
  const evidenceDirectory = join(directory, 'evidence');
  const gate = await createGate({
    store: newStore(),
    issuers: [{ issuer: mint.issuer, audience: mint.audience, jwksUri: mint.jwksUri }],
    evidence: { directory: evidenceDirectory },
    sessionTtlMs: 1000,
    drainMs: 300,
    graphTimeoutMs: 1500,
    log: silentLog,
    ...options,
  });
  const onGraph: GraphOptions = {
    graphUrl: peers.graph.url,
    authorization: async (_req, who) =>
      `Bearer ${await mint.mintGraphToken({ tid: who.tenant, appid: who.app })}`,
    ...graph,
  };
  const app = express();
  app.use(...before, (_req, _res, next) => next());
  app.post('/media/:callId/:name', requireRecording(gate, required), ...handlers);
  app.post('/v1.0/communications/calls/:callId/updateRecordingStatus', updateRecordingStatus(gate, onGraph));
  app.delete('/v1.0/communications/calls/:callId', hangUp(gate, onGraph));
  const server = createServer(app);
  prepare?.(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  let closed = false;
  const closeGate = async (): Promise<void> => {
    if (!closed) await gate.close();
    closed = true;
  };
  return {
    ...peers,
    url,
    gate,
    bot: async () => new Bot(url, await mint.mint(), peers.graph.incomingCall({ answered: true })),
    async evidence() {
      await closeGate();
      return readEvidence(evidenceDirectory);
    },
    async close() {
      await closeGate();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await peers.close();
      await rm(directory, { recursive: true });
    },
  };
}

async function readEvidence(directory: string): Promise<Evidence[]> {
  const files = (await readdir(directory))
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => join(directory, name));
  const { misfit } = await verifyJournal(files);
  if (misfit !== null) throw new Error(`the evidence does not fit: ${JSON.stringify(misfit)}`);
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return texts.flatMap((text) =>
    text
      .trim()
      .split('\n')
      .flatMap((line) => {
        const { record } = JSON.parse(line) as { record?: Evidence };
        // Some lines are about no call.
        if (record === undefined) return [];
        return [{ event: record.event, detail: isRecord(record.detail) ? record.detail : {} }];
      }),
  );
}

/** What the interval that ended says of its writes. */
export const writesOf = (evidence: readonly Evidence[]): unknown =>
  evidence.find(({ event }) => event === 'drained')?.detail.writes;
