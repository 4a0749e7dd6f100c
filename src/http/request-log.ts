import type { IncomingMessage, ServerResponse } from 'node:http';
import { type CallKey, toGuid } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import type { Refusal } from '../core/decision.ts';
import { idFacts, type RequestIds, traceIdOf } from '../core/http/request-ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { ReasonCode } from '../core/reasons.ts';
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

/** How many refusals with the same reason have lines of their own, each for another call, and in which time, ms. */
const linesPerPeriod = 10;
const periodMs = 10_000;

/** Refusals with the same reason. */
interface RefusalClass {
  readonly logged: Set<CallKey | undefined>;
  leftOut: number;
  readonly end: () => void;
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
  const classes = new Map<string, RefusalClass>();

  const begin = (name: string, surface: Surface, reason: ReasonCode): RefusalClass => {
    const end = (): void => {
      cancel();
      classes.delete(name);
      const { leftOut } = begun;
      if (leftOut > 0)
        log.info({ surface, reason, leftOut }, 'further requests were refused for the same reason');
    };
    const cancel = clock.after(periodMs, end);
    const begun = { logged: new Set<CallKey | undefined>(), leftOut: 0, end };
    classes.set(name, begun);
    return begun;
  };
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
      const name = `${surface} ${reason}`;
      const known = classes.get(name) ?? begin(name, surface, reason);
      if (known.logged.has(call) || known.logged.size >= linesPerPeriod) {
        known.leftOut += 1;
        return;
      }
      known.logged.add(call);
      log.info(
        { ...factsOf(facts), reason, ...(detail === undefined ? {} : { detail }) },
        'a request was refused',
      );
    },
    answered: clientOf === undefined ? undefined : accessLines(log, clock),
    close() {
      for (const { end } of [...classes.values()]) end();
    },
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
