import type { IncomingMessage, ServerResponse } from 'node:http';
import { type CallKey, toGuid } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import type { Refusal } from '../core/decision.ts';
import { idFacts, type RequestIds, traceIdOf } from '../core/http/request-ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { limitedLines } from './limited-lines.ts';
import { header } from './problem.ts';

export type Surface = 'control' | 'media' | 'notification';

/** Facts for the log lines of a request; its stages add what they find out. */
export interface RequestFacts extends RequestIds {
  readonly surface: Surface;
  /** Monotonic, ms. */
  readonly askedAt: number;
  call?: CallKey | undefined;
  who?: Binding | null;
  /** Whether `who` is only what an unverified token claims. */
  isClaim?: boolean;
  /** Action of Graph, or the route of the settings. */
  action?: string;
  route?: string | undefined;
  /** Why it was refused. */
  reason?: ReasonCode;
  /** The client's address; absent: there are no access lines. */
  readonly client?: string;
}

export interface RequestLog {
  /** When it comes: later its connection may be gone. */
  begin(req: IncomingMessage, surface: Surface, requestId: string, askedAt: number): RequestFacts;
  refused(facts: RequestFacts, refusal: Refusal): void;
  /** Writes the access line once the answer is over; undefined: there are no access lines. */
  readonly answered: ((facts: RequestFacts, req: IncomingMessage, res: ServerResponse) => void) | undefined;
  /** Logs how many refusals were left out so far. */
  close(): void;
}

interface RequestLogDeps {
  readonly log: Log;
  readonly clock: Clock;
  /** Absent: no access lines. */
  readonly clientOf?: (req: IncomingMessage) => string;
}

/**
 * The log lines of requests: refusals, bounded by reason, since anybody can provoke them; and access lines where they are
 * asked for.
 */
export function requestLog({ log, clock, clientOf }: RequestLogDeps): RequestLog {
  const lines = limitedLines<CallKey | undefined>(clock, (facts) =>
    log.info(facts, 'further requests were refused for the same reason'),
  );
  return {
    begin: (req, surface, requestId, askedAt) => ({
      surface,
      requestId,
      askedAt,
      clientRequestId: header(req, 'client-request-id'),
      traceId: traceIdOf(req.headers.traceparent),
      ...(clientOf === undefined ? {} : { client: clientOf(req) }),
    }),
    refused(facts, { reason, detail }) {
      const { surface, call } = facts;
      facts.reason = reason;
      if (!lines.admit(`${surface} ${reason}`, { surface, reason }, call)) return;
      log.info(
        { ...factsOf(facts), reason, ...(detail === undefined ? {} : { detail }) },
        'a request was refused',
      );
    },
    answered: clientOf === undefined ? undefined : accessLines(log, clock),
    close: () => lines.close(),
  };
}

const factsOf = ({ surface, call, who, isClaim, action, route, ...ids }: RequestFacts): JsonObject => ({
  surface,
  ...(action === undefined ? {} : { action }),
  ...(route === undefined ? {} : { route }),
  ...(call === undefined ? {} : { call: toGuid(call) }),
  ...(who === undefined || who === null ? {} : { tenant: who.tenant, app: who.app }),
  ...(isClaim === true ? { verified: false } : {}),
  ...idFacts(ids),
});

/** Without the target: signatures, codes and names of people are in queries, and in paths of callbacks and files. */
const accessLines =
  (log: Log, clock: Clock): RequestLog['answered'] =>
  (facts, req, res) => {
    const write = (): void =>
      log.info(
        {
          ...factsOf(facts),
          method: req.method,
          // Nothing was answered to a client that went away before.
          status: res.headersSent ? res.statusCode : null,
          ...(facts.reason === undefined ? {} : { reason: facts.reason }),
          ms: Math.round(clock.now() - facts.askedAt),
          ...(facts.client === undefined ? {} : { client: facts.client }),
        },
        'request',
      );
    if (res.writableFinished || res.destroyed || res.socket === null) write();
    else res.once('close', write);
  };
