import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { CallKey } from '../../core/call/key.ts';
import type { PolicyInForce } from '../../core/call/policy.ts';
import { type Decision, grant, type Refusal, refuse } from '../../core/decision.ts';
import type { RawAnswer, Send, Sent } from '../../core/graph/exchange.ts';
import { actionName, type GraphAction } from '../../core/graph/identify-action.ts';
import type { WriteGuard } from '../../core/http/write-guard.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Write } from '../../gate/write.ts';
import type { Caller } from '../authenticate.ts';
import type { JsonBody } from '../body.ts';
import type { Release } from '../counters.ts';
import type { ControlDeps, GraphRequest } from '../ports.ts';
import { header } from '../problem.ts';
import type { RequestFacts } from '../request-log.ts';
import type { Share } from '../shares.ts';
import type { Proofs } from './proofs.ts';

/** What is known of a request to Graph once it was authenticated and identified. */
export interface ControlRequest {
  readonly deps: ControlDeps;
  readonly proofs: Proofs;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Facts for its log lines, with its ids and arrival time. */
  readonly facts: RequestFacts;
  readonly caller: Caller;
  readonly action: GraphAction;
  readonly policy: PolicyInForce;
  /** For whom it is counted. */
  readonly share: Share;
  /** Room for so many bytes of its body until it is over, or they are given back; undefined: there is none. */
  readonly keeps: (bytes: number) => Release | undefined;
  /** The caller is known, and nobody is bound to the call. */
  readonly isUnowned?: boolean;
}

/** A request about one call. */
export interface CallRequest extends ControlRequest {
  readonly call: CallKey;
  /** Whether the caller was verified for this very request; otherwise an earlier answer of Graph counts. */
  readonly isProvenAnew?: boolean;
  /** Its body as JSON that is judged; read once, whoever asks for it first. */
  readonly json: () => Promise<Decision<JsonBody>>;
  /** Graph has not answered about the token: if a stop is requested, the gate is closed here until Graph answers. */
  readonly holdClosed: () => void;
}

/** Stages 3 to 5 of one kind of action: enforce, forward, settle. A granted value is the status the client got. */
export type Handler<Request extends ControlRequest = CallRequest> = (
  request: Request,
) => Promise<Decision<number>>;

interface Outgoing {
  readonly method: GraphRequest['method'];
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer | null;
}

/** Sends a small request with the caller's credential and inspects the response. */
export const senderFor =
  (request: ControlRequest, outgoing: Outgoing, guard?: WriteGuard): Send<RawAnswer> =>
  async (mayStill) => {
    const { deps, caller, action, proofs } = request;
    const send = async (authorization: string): Promise<Sent<RawAnswer>> => {
      const began = deps.now();
      const sent = await deps.graph.exchange({ ...outgoing, authorization }, mayStill, guard);
      if (sent.kind === 'answered') {
        deps.meter.graphAnswer(actionName(action.row), sent.answer.status, (deps.now() - began) / 1000);
      }
      return sent;
    };
    const authorization = await caller.authorization();
    if (!authorization.ok) return { kind: 'notSent', refusal: authorization };
    const first = await send(authorization.value);
    if (first.kind !== 'answered' || first.answer.status !== 401) return first;
    proofs.refused(caller);
    const other = await replacementCredential(request, authorization.value);
    if (other === undefined) return first;
    const again = await send(other);
    return again.kind === 'notSent' ? first : again;
  };

/**
 * The credential with which a request is repeated, once, after Graph has answered 401 to the proxy's own; undefined, at
 * once or in the end: that answer is passed on.
 */
export function replacementCredential(
  { deps, caller }: ControlRequest,
  refused: string,
): Promise<string | undefined> | undefined {
  if (caller.another === undefined) return undefined;
  const other = caller.another(refused);
  if (other === undefined) deps.meter.graphTokenRefused('passed');
  return other?.then((found) => {
    deps.meter.graphTokenRefused(found === undefined ? 'passed' : 'repeated');
    return found;
  });
}

/** Ends a write when the work it was admitted for has finished, whatever the result. */
export async function duringWrite(
  write: Write,
  run: () => Promise<Decision<number>>,
): Promise<Decision<number>> {
  let complete = false;
  try {
    const decision = await run();
    complete = decision.ok;
    return decision;
  } finally {
    write.end(complete);
  }
}

/** Header fields of a request that the proxy sends on behalf of the caller, in its trace. */
export const ownHeaders = ({ req }: ControlRequest): IncomingHttpHeaders => ({
  ...Object.fromEntries(
    ['client-request-id', 'scenario-id', 'user-agent', 'traceparent'].map((name) => [
      name,
      header(req, name),
    ]),
  ),
  tracestate: req.headers.tracestate,
});

/**
 * A call that does not exist is answered like one that is somebody else's, or the answer would reveal which ids are in
 * use (docs/design/callers.md).
 */
export const notFoundForStranger = (
  { isUnowned = false }: ControlRequest,
  status: number,
): Refusal | undefined => (isUnowned && status === 404 ? refuse('CallNotFound') : undefined);

/** Forwards an inspected response: status and body unchanged, end-to-end header fields, `Location` rewritten. */
export function relay(
  request: ControlRequest,
  answer: RawAnswer,
  extra: Readonly<Record<string, string>> = {},
  body: Uint8Array = answer.raw,
): Decision<number> {
  const { deps, res } = request;
  const missing = notFoundForStranger(request, answer.status);
  if (missing !== undefined) return missing;
  const headers = deps.graph.answerHeaders(answer);
  if (!headers.ok) return headers;
  if (!res.destroyed) {
    const length = answer.status === 204 ? {} : { 'content-length': body.length };
    res.writeHead(answer.status, { ...headers.value, ...length, ...extra });
    res.end(body);
  }
  return grant(answer.status);
}

/** Correlation facts of the request, for the evidence. */
export const correlationFacts = ({ req, facts }: ControlRequest): JsonObject => ({
  requestId: facts.requestId,
  clientRequestId: facts.clientRequestId ?? null,
  scenarioId: header(req, 'scenario-id') ?? null,
});
