import type { NextFunction, Request, Response } from 'express';
import { type CallKey, parseCallKey } from '../src/core/call/key.ts';
import { type Decision, grant, type Refusal, refuse } from '../src/core/decision.ts';
import type { Log } from '../src/core/ports/log.ts';
import { textOf } from '../src/core/reasons.ts';
import type { Write } from '../src/gate/write.ts';
import { runStages } from '../src/http/answer.ts';
import { admitWrite } from '../src/http/admit-write.ts';
import { countRefusal, identifyMedia } from '../src/http/identify-media.ts';
import type { RequestFacts } from '../src/http/request-log.ts';
import { guardBody } from './guard-body.ts';
import { readOptions, requireRecordingOptions, type RequireRecordingOptions } from './options.ts';
import { type GateParts, partsOf, type RecordingGate } from './parts.ts';
import { trackWrite, type TrackedWrite, type Recording } from './recording.ts';

declare global {
  // The one place where Express lets others add to its request.
  // eslint-disable-next-line @typescript-eslint/no-namespace -- Express declares this namespace
  namespace Express {
    interface Request {
      /** Present only after `requireRecording`. */
      recording: Recording;
    }
  }
}

interface Admitted extends TrackedWrite {
  readonly write: Write;
}

/** A handler for any route of an Express application; it does not change the types of the route parameters. */
export type RouteHandler = <Params>(req: Request<Params>, res: Response, next: NextFunction) => void;

/**
 * Passes a request that persists media, or data derived from it, to the next handler only while recording of its call
 * is confirmed (law 1), and makes sure that it has ended before a stop is sent to Graph (law 2). Refuses before the
 * body is read, with the same responses as the proxy.
 *
 * @example
 * ```ts
 * app.post('/media/:callId', requireRecording(gate), async (req, res) => {
 *   await req.recording.hold(store(req, { signal: req.recording.signal }));
 *   res.sendStatus(201);
 * });
 * ```
 */
export function requireRecording(gate: RecordingGate, options: RequireRecordingOptions = {}): RouteHandler {
  const parts = partsOf(gate);
  const { callId, token } = readOptions(requireRecordingOptions, options);
  return (req, res, next) => {
    const body = guardBody(req);
    const stages = async (facts: RequestFacts): Promise<Decision<Admitted>> => {
      if (body.isRead()) return readEarly(parts);
      const target = callOf(callId(req as Request));
      if (target.ok) facts.call = target.value;
      const known = await identifyMedia(parts, req, target, token);
      if (!known.ok) return known;
      const { who, target: call } = known.value;
      facts.who = who;
      const admitted = await admitWrite(parts, req, call, who);
      if (!admitted.ok) return admitted;
      const write = admitted.value;
      if (res.destroyed) {
        write.end(false);
        return countRefusal(parts, refuse('ClientGone'));
      }
      return grant({ write, ...trackWrite(parts, write, { req, res, body }) });
    };
    const pass = ({ write, recording, watch }: Admitted): Refusal | undefined => {
      // Whoever has begun to read while this was decided got nothing, but would take it from the handler now.
      if (body.isRead()) {
        write.end(false);
        parts.gate.refused(write.grant.call, 'BodyAlreadyRead', write.grant.binding);
        return readEarly(parts);
      }
      req.recording = recording;
      body.open(watch);
      next();
      return undefined;
    };
    runStages(parts, 'media', req, res, stages, pass);
  };
}

function readEarly({ log, meter }: GateParts): Refusal {
  meter.decision('media', 'BodyAlreadyRead');
  return bodyAlreadyRead(log);
}

export function callOf(id: unknown): Decision<CallKey> {
  const call = typeof id === 'string' ? parseCallKey(id) : undefined;
  return call === undefined ? refuse('CallIdInvalid') : grant(call);
}

/**
 * Code that reads a body before the gate has decided could persist it: a mistake in the host, whatever the decision.
 */
export function bodyAlreadyRead(log: Log): Refusal {
  log.error({}, `a request was refused with BodyAlreadyRead: ${textOf('BodyAlreadyRead')}`);
  return refuse('BodyAlreadyRead');
}
