import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher, Pool } from 'undici';
import { type Refusal, refuse } from '../core/decision.ts';
import type { RawAnswer, Sent } from '../core/graph/exchange.ts';
import { readGraphJson } from '../core/graph/read-json.ts';
import { cutRefusal, type WriteGuard } from '../core/http/write-guard.ts';
import type { JsonObject } from '../core/json.ts';
import { UpstreamAbort, graphFaults, refusalFor } from './errors.ts';

export interface ExchangeRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer | null;
}

/** What is judged is small; the page of a gateway that comes with an error need not be. */
const maxAnswerBytes = 64 * 1024;
const maxErrorBytes = 1024 * 1024;

/**
 * One small request to Graph, answered within `timeoutMs` or given up. `mayStill` is asked when the connection
 * stands, right before the first byte is written.
 */
export function exchange(
  pool: Pool,
  request: ExchangeRequest,
  timeoutMs: number,
  mayStill: () => boolean,
  guard?: WriteGuard,
): Promise<Sent<RawAnswer>> {
  return new Promise((settle) => {
    const sentAt = Date.now();
    let controller: Dispatcher.DispatchController | undefined;
    let started = false;
    let head: { status: number; headers: IncomingHttpHeaders } | undefined;
    const chunks: Buffer[] = [];
    let size = 0;
    const facts = (more: JsonObject): JsonObject => ({ sentAt: new Date(sentAt).toISOString(), ...more });
    const giveUp = (refusal: Refusal): void => {
      if (controller === undefined)
        finish(started ? { kind: 'lost', refusal, facts: facts({}) } : { kind: 'notSent', refusal });
      else controller.abort(new UpstreamAbort(refusal));
    };
    // What still waits for a connection of ours says nothing of Graph.
    const isQueued = (): boolean => controller === undefined && pool.stats.queued > 0;
    const timer = setTimeout(
      () => giveUp(isQueued() ? refuse('Overloaded', { retryAfterMs: 1000 }) : refuse('GraphTimeout')),
      timeoutMs,
    );
    let over = false;
    const finish = (sent: Sent<RawAnswer>): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      settle(sent);
    };
    guard?.onMeasure(() => (started ? 'whole' : 'nothing'));
    guard?.onCut(() => giveUp(cutRefusal(guard.stopReason)));
    pool.dispatch(
      { ...request, reset: true },
      {
        onRequestStart(ctl) {
          // Throwing here keeps undici from writing anything.
          if (over || !mayStill())
            throw new UpstreamAbort(refuse('StatusInProgress', { retryAfterMs: 1000 }));
          if (guard?.mayContinue() === false) throw new UpstreamAbort(cutRefusal(guard.stopReason));
          started = true;
          controller = ctl;
        },
        onResponseStart(_ctl, status, headers) {
          // Interim answers (1xx) are not the answer.
          if (status >= 200) head = { status, headers };
        },
        onResponseData(ctl, chunk) {
          size += chunk.length;
          const most = head !== undefined && head.status >= 400 ? maxErrorBytes : maxAnswerBytes;
          if (size > most) ctl.abort(new UpstreamAbort(refuse('GraphAnswerTooLarge')));
          else chunks.push(chunk);
        },
        onResponseEnd() {
          if (head === undefined) return;
          const raw = Buffer.concat(chunks);
          const { status, headers } = head;
          const location = headers.location;
          const read = readGraphJson(raw, headers, { maxBytes: maxErrorBytes, decides: true });
          finish({
            kind: 'answered',
            answer: {
              status,
              headers,
              raw,
              // An unreadable body says nothing: the outcome is pending, never success.
              body: read.readable ? read.value : undefined,
              ...(location === undefined ? {} : { location }),
            },
            facts: facts({
              answeredAt: new Date().toISOString(),
              status,
              requestId: text(headers['request-id']),
              clientRequestId: text(headers['client-request-id']),
            }),
          });
        },
        onResponseError(_ctl, error) {
          const refusal = refusalFor(error, graphFaults);
          finish(started ? { kind: 'lost', refusal, facts: facts({}) } : { kind: 'notSent', refusal });
        },
      },
    );
  });
}

/** Ids come from outside: short ones are kept, anything else is not evidence. */
const text = (value: string | string[] | undefined): string | null =>
  typeof value === 'string' && value.length <= 128 ? value : null;
