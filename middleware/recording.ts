import type { IncomingMessage, ServerResponse } from 'node:http';
import { toGuid } from '../src/core/call/key.ts';
import { Fault, messageOf } from '../src/core/errors.ts';
import { cutRefusal, type StopReason } from '../src/core/http/write-guard.ts';
import { textOf } from '../src/core/reasons.ts';
import type { Write } from '../src/gate/write.ts';
import { answerCut, keepConnection } from './answer-cut.ts';
import type { BodyGuard, BodyWatch } from './guard-body.ts';
import type { GateParts } from './parts.ts';

/** An admitted write, for its handler. */
export interface Recording {
  /** The call, as Graph spells it in URLs: a lower-case GUID. */
  readonly callId: string;
  /** Number of the recording: grows with every start of recording of the call. */
  readonly epoch: number;
  /** Id of this write, like `Tallylight-Write` behind the proxy. Opaque. */
  readonly write: string;
  /**
   * Aborts when the write is aborted: the drain limit of a stop or of `gate.close()` has passed, or the store was
   * unreachable for too long. `signal.reason.cause` is the reason: `RecordingStopped`, `ShuttingDown` or
   * `SessionLost`. The handler must then stop persisting. The client has already received a response.
   */
  readonly signal: AbortSignal;
  /**
   * Extends the write until `work` has settled: a stop is not sent to Graph before, up to the drain limit. Returns
   * `work`. Throws if the write has ended or was aborted.
   */
  readonly hold: <Work extends PromiseLike<unknown>>(work: Work) => Work;
}

export interface TrackedWrite {
  readonly recording: Recording;
  /** Under which the handler may read the body. */
  readonly watch: BodyWatch;
}

/** Tracks a write from its admission until the response, a body read beyond it and every held promise have ended. */
export function trackWrite(
  { gate, meter, log, newId }: GateParts,
  write: Write,
  {
    req,
    res,
    body,
  }: { readonly req: IncomingMessage; readonly res: ServerResponse; readonly body: BodyGuard },
): TrackedWrite {
  const { call, epoch } = write.grant;
  const controller = new AbortController();
  let pending = 1;
  let complete = true;
  let failed = false;
  let responding = true;
  let reading = false;

  const settle = (well: boolean): void => {
    complete &&= well;
    pending -= 1;
    if (pending > 0 || write.wasCut) return;
    // What nobody has begun to read is thrown away by Node.
    body.release();
    write.end(complete);
  };

  const watch: BodyWatch = {
    mayPass() {
      if (!write.mayContinue()) write.cut();
      return !write.wasCut;
    },
    addBytes: (count) => write.addBytes(count),
  };

  res.once('close', () => {
    responding = false;
    if (!res.writableFinished && !write.wasCut) meter.decision('media', 'ClientGone');
    const early = mayStillBeRead(req);
    if (early) {
      // Answered early: the rest of the body goes to whoever reads it, so it belongs to the write.
      pending += 1;
      reading = true;
      onceOver(req, () => {
        reading = false;
        settle(req.complete);
      });
    }
    settle(res.writableFinished && (early || req.complete));
  });

  // What its handler gave up is not kept by it.
  write.onMeasure(() => (!failed && req.complete && req.readableLength === 0 ? 'whole' : 'part'));
  write.onCut(() => {
    const why = write.stopReason;
    // After the response and a whole body the connection may already carry another request.
    if (reading && req.complete) keepConnection(req);
    if (responding) answerCut(req, res, cutRefusal(why), newId());
    else if (reading) req.destroy();
    controller.abort(new Cut(why));
    meter.decision('media', why);
    gate.refused(call, why, write.grant.binding);
  });

  const recording: Recording = {
    callId: toGuid(call),
    epoch,
    write: write.id,
    signal: controller.signal,
    hold(work) {
      controller.signal.throwIfAborted();
      if (pending === 0)
        throw new Fault(
          'Internal',
          'hold() was called after the write had ended, so nothing waits for the promise',
        );
      if (!isThenable(work)) throw new Fault('Internal', 'hold() requires a promise');
      pending += 1;
      work.then(
        () => settle(true),
        (error: unknown) => {
          log.warn({ call, error: messageOf(error) }, 'a promise passed to hold() was rejected');
          failed = true;
          settle(false);
        },
      );
      return work;
    },
  };
  return { recording, watch };
}

/** Why a signal aborted. */
class Cut extends DOMException {
  override readonly cause: StopReason;

  constructor(why: StopReason) {
    super(textOf(why), 'AbortError');
    this.cause = why;
  }
}

/**
 * Whether a body can give out more after its response. Node drops the rest of one that nobody had begun to read, and
 * says so only in `_dumped`: `readableDidRead` misses a reader that waits for the first chunk, and is set by the
 * dropping itself. Where Node does not say it, the body stays guarded.
 */
const mayStillBeRead = (req: IncomingMessage & { readonly _dumped?: boolean }): boolean =>
  !req.destroyed && !req.readableEnded && (req._dumped !== true || req.readableLength > 0);

/** Calls back when a body that outlived its response has ended. Node emits no event any more when its client leaves. */
function onceOver(req: IncomingMessage, over: () => void): void {
  const { socket } = req;
  const clientGone = (): void => {
    // A whole body may be read to its end without its client.
    if (!req.complete) req.destroy();
  };
  socket.once('close', clientGone);
  req.once('close', () => {
    socket.off('close', clientGone);
    over();
  });
}

/** The compiler does not check callers in JavaScript. */
const isThenable = (work: unknown): boolean =>
  typeof (work as { readonly then?: unknown } | null | undefined)?.then === 'function';
