import type { JsonObject } from '../json.ts';

/** Ids that a request has in the logs of both sides. */
export interface RequestIds {
  /** Ours; in the `request-id` header field of a refusal. */
  readonly requestId: string;
  /** `client-request-id`, as the client sent it. */
  readonly clientRequestId?: string | undefined;
  /** Of a valid `traceparent`. */
  readonly traceId?: string | undefined;
}

/** The ids as fields of a log line; `trace_id` is the name that tracing tools look for. */
export const idFacts = ({ requestId, clientRequestId, traceId }: RequestIds): JsonObject => ({
  requestId,
  ...(clientRequestId === undefined ? {} : { clientRequestId }),
  ...(traceId === undefined ? {} : { trace_id: traceId }),
});

/** W3C Trace Context, section 3.2; a later version may append fields. */
const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
const zeros = /^0+$/;

/** The trace id of a `traceparent` header field; undefined: it is not valid. */
export function traceIdOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const [, version = 'ff', trace = '', parent = '', more] = traceparent.exec(value) ?? [];
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return zeros.test(trace) || zeros.test(parent) ? undefined : trace;
}
