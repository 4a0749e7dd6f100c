import type { IncomingMessage } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import { parseCallKey, type CallKey } from '../src/core/call-key.ts';
import { grant, refuse, type Decision } from '../src/core/decision.ts';
import { Fault } from '../src/core/errors.ts';
import { answering } from '../src/http/answer.ts';
import { admitWrite } from '../src/http/enforce.ts';
import { counted, identifyMedia } from '../src/http/identify-call.ts';
import { readOptions, requireRecordingOptions, type RequireRecordingOptions } from './options.ts';
import { partsOf, type RecordingGate } from './parts.ts';
import { follow, type Recording } from './recording.ts';

declare global {
  // The one place where Express lets others add to its request.
  // eslint-disable-next-line @typescript-eslint/no-namespace -- Express declares this namespace
  namespace Express {
    interface Request {
      /** Only behind `requireRecording`: elsewhere there is none, and a handler that needs it fails. */
      recording: Recording;
    }
  }
}

/** A handler for any route of an Express application; it leaves the types of the route's parameters as they are. */
export type RouteHandler = <Params>(req: Request<Params>, res: Response, next: NextFunction) => void;

/**
 * Lets a request that persists media, or data derived from it, through to the next handler only while recording of
 * its call is confirmed (law 1), and has it over before a stop is sent to Graph (law 2). Refuses before the body is
 * read, with the same answers as the proxy.
 */
export function requireRecording(gate: RecordingGate, options: RequireRecordingOptions = {}): RouteHandler {
  const parts = partsOf(gate);
  const { callId } = readOptions(requireRecordingOptions, options);
  return (req, res, next) => {
    const stages = async (): Promise<Decision<void>> => {
      mustBeUnread(req, 'requireRecording');
      const known = await identifyMedia(parts, req, callOf(callId(req as Request)));
      if (!known.ok) return known;
      const { who, target: call } = known.value;
      const admitted = await admitWrite(parts, call, who);
      if (!admitted.ok) return admitted;
      const write = admitted.value;
      if (res.destroyed) {
        write.end(false);
        return counted(parts, refuse('ClientGone'));
      }
      req.recording = follow(parts, write, req, res);
      return grant(undefined);
    };
    answering(parts, 'media', req, res, stages, next);
  };
}

export function callOf(id: unknown): Decision<CallKey> {
  const call = typeof id === 'string' ? parseCallKey(id) : undefined;
  return call === undefined ? refuse('CallIdInvalid') : grant(call);
}

/** What has read the body before may have kept it. */
export function mustBeUnread(req: IncomingMessage, name: string): void {
  if (req.readableDidRead)
    throw new Fault('Internal', `the body was read before ${name}: mount body parsers after it`);
}
