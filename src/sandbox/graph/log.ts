import type { IncomingMessage } from 'node:http';
import { monotonic } from '../loopback.ts';

/** One request that Graph received. Times are monotonic, ms. Never a token, never a body. */
export interface LogEntry {
  readonly seq: number;
  readonly receivedAt: number;
  readonly method: string;
  /** With the query, as received. */
  readonly path: string;
  readonly headerNames: readonly string[];
  readonly clientRequestId: string | null;
  readonly scenarioId: string | null;
  /** `updateRecordingStatus`, `getCall`, ...; null: not a request that Graph knows. */
  action: string | null;
  /** As spelled in the path. */
  call: string | null;
  /** From the token. */
  app: string | null;
  tenant: string | null;
  /** The recording status asked for. */
  asked: string | null;
  effectAt: number | null;
  answeredAt: number | null;
  /** The status answered, or how the connection was left without an answer. */
  answered: number | 'none' | 'reset' | null;
}

const anyToken = /eyJ[\w-]+\.[\w-]+(\.[\w-]*)*/g;

export function openEntry(seq: number, req: IncomingMessage): LogEntry {
  const header = (name: string): string | null => {
    const value = req.headers[name];
    return typeof value === 'string' ? value.replace(anyToken, '[token]') : null;
  };
  return {
    seq,
    receivedAt: monotonic(),
    method: req.method ?? '',
    path: (req.url ?? '').replace(anyToken, '[token]'),
    headerNames: Object.keys(req.headers),
    clientRequestId: header('client-request-id'),
    scenarioId: header('scenario-id'),
    action: null,
    call: null,
    app: null,
    tenant: null,
    asked: null,
    effectAt: null,
    answeredAt: null,
    answered: null,
  };
}
