import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import { type Decision, type Refusal, refuse } from '../core/decision.ts';
import type { Forwarded, HeaderMap } from '../core/http/exchange.ts';
import { cutRefusal, type Reached, type WriteGuard } from '../core/http/write-guard.ts';
import { type FaultReasons, UpstreamAbort, refusalFor } from './errors.ts';
import { responseHeaders } from './headers.ts';
import type { Outgoing } from './pool.ts';

export interface ForwardRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string | string[]>;
  readonly body: Readable | Buffer | null;
  /** Nothing moved in either direction for this long, ms: given up. */
  readonly idleMs: number;
  /** How long a streamed body may take, and the answer from its head to its end, ms; undefined: for ever. */
  readonly bodyMs?: number | undefined;
  readonly answerMs?: number | undefined;
  readonly faults: FaultReasons;
  readonly guard?: WriteGuard;
  /** Asks for a WebSocket. It is the caller's once the upstream has agreed, unless what is returned refuses it. */
  readonly onWebSocket?: (headers: HeaderMap, socket: Duplex) => Refusal | undefined;
  /** Judges the head of the answer; may change its headers, or refuse it. */
  readonly onAnswer?: (status: number, headers: OutgoingHttpHeaders) => Decision<OutgoingHttpHeaders>;
}

/**
 * Streams a request to an upstream and its answer back, with back-pressure both ways. Nothing is buffered.
 * When the client goes away, or the guard cuts, both sides end at once.
 */
export function forward(pool: Pool, request: ForwardRequest, res: ServerResponse): Promise<Forwarded> {
  const { method, path, headers, body, idleMs, bodyMs, answerMs, faults } = request;
  const { guard, onAnswer, onWebSocket } = request;
  return new Promise((settle) => {
    let controller: Dispatcher.DispatchController | undefined;
    let over = false;
    const isOver = (): boolean => over;
    let status = 0;
    let answered: HeaderMap = {};
    let unsentBytes = (): number => 0;
    let reached: Reached | undefined;
    /** What is known only until the connection is destroyed is remembered. */
    const measure = (): Reached => {
      const given = (): Reached => (isGiven(body) && unsentBytes() === 0 ? 'whole' : 'part');
      return (reached ??= controller === undefined ? 'nothing' : given());
    };
    const giveUp = (refusal: Refusal): void => {
      if (over) return;
      const error = new UpstreamAbort(refusal);
      if (controller === undefined) fail(error);
      else {
        measure();
        controller.abort(error);
      }
    };
    const idle = setTimeout(() => giveUp(refuse(faults.timeout)), idleMs);
    let isPaused = false;
    let total: NodeJS.Timeout | undefined;
    const within = (ms: number | undefined, refusal: () => Refusal): void => {
      clearTimeout(total);
      total = ms === undefined ? undefined : setTimeout(() => giveUp(refusal()), ms);
    };
    const finish = (forwarded: Forwarded): void => {
      if (over) return;
      over = true;
      clearTimeout(idle);
      clearTimeout(total);
      res.off('close', onClose);
      settle(forwarded);
    };
    const fail = (error: unknown): void => finish({ kind: 'failed', refusal: refusalFor(error, faults) });
    const onClose = (): void => {
      if (!res.writableFinished) giveUp(refuse('ClientGone'));
    };
    res.on('close', onClose);
    const stopped = (): void => {
      if (guard !== undefined) giveUp(cutRefusal(guard.stopReason));
    };
    guard?.onMeasure(measure);
    guard?.onCut(stopped);
    // A stream that has not begun is not begun any more.
    if (onWebSocket !== undefined) guard?.onStop(stopped);
    // A write that was cut before it could begin is over already.
    if (isOver()) return;

    const onChunk = (chunk: Buffer): void => {
      idle.refresh();
      if (guard === undefined) return;
      if (guard.mayContinue()) guard.addBytes(chunk.length);
      else {
        // This chunk goes nowhere, although it was taken from the body.
        reached ??= 'part';
        stopped();
      }
    };
    const outgoing: Outgoing = {
      ...{ method, path, headers, body },
      ...(guard === undefined ? {} : { onConnection: (unsent) => (unsentBytes = unsent) }),
      ...(onWebSocket === undefined ? {} : { upgrade: 'websocket' }),
    };
    pool.dispatch(outgoing, {
      onRequestStart(ctl) {
        // Throwing here keeps undici from writing anything.
        if (over) throw new UpstreamAbort(refuse(faults.timeout));
        if (guard?.mayContinue() === false) throw new UpstreamAbort(cutRefusal(guard.stopReason));
        controller = ctl;
        idle.refresh();
        // Before undici's own listener: a chunk that may not pass aborts before it is written.
        if (body === null || Buffer.isBuffer(body)) return;
        body.on('data', onChunk);
        within(bodyMs, () => refuse('BodyTimeout'));
        body.once('end', () => {
          if (status === 0) clearTimeout(total);
        });
      },
      onRequestUpgrade(_ctl, code, answerHeaders, socket) {
        const refusal = onWebSocket?.(answerHeaders, socket);
        finish(
          refusal === undefined
            ? { kind: 'answered', status: code, headers: answerHeaders }
            : { kind: 'failed', refusal },
        );
      },
      onResponseStart(ctl, code, answerHeaders: IncomingHttpHeaders) {
        idle.refresh();
        if (code < 200) return;
        status = code;
        answered = answerHeaders;
        within(answerMs, () => refuse(isPaused ? 'AnswerUnread' : faults.timeout));
        const judged = onAnswer?.(code, responseHeaders(answerHeaders)) ?? {
          ok: true,
          value: responseHeaders(answerHeaders),
        };
        if (judged.ok) res.writeHead(code, judged.value);
        else ctl.abort(new UpstreamAbort(judged));
      },
      onResponseData(ctl, chunk) {
        idle.refresh();
        if (res.write(chunk)) return;
        ctl.pause();
        isPaused = true;
        res.once('drain', () => {
          isPaused = false;
          idle.refresh();
          ctl.resume();
        });
      },
      onResponseEnd() {
        res.end();
        finish({ kind: 'answered', status, headers: answered });
      },
      onResponseError(_ctl, error) {
        measure();
        fail(error);
      },
    });
  });
}

/** Whether all of a body went on to undici. */
const isGiven = (body: ForwardRequest['body']): boolean => {
  if (body === null || Buffer.isBuffer(body)) return true;
  return 'complete' in body ? body.complete === true && body.readableLength === 0 : body.readableEnded;
};
