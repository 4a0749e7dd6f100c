import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { PolicyFor } from '../core/call/policy.ts';
import type { Binding } from '../core/call/state.ts';
import type { Decision, Refusal } from '../core/decision.ts';
import type { RawAnswer, Sent } from '../core/graph/exchange.ts';
import type { CallbackTarget } from '../core/http/callback-uri.ts';
import type { Forwarded, Upgraded } from '../core/http/exchange.ts';
import type { FrameDirection } from '../core/http/stream-end.ts';
import type { DiscardedWrite, WriteGuard } from '../core/http/write-guard.ts';
import type { Verifier } from '../core/ports/identity.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { Gate } from '../gate/gate.ts';
import type { ClientAddress } from './client-address.ts';
import type { Limits } from './limits.ts';
import type { RequestLog } from './request-log.ts';
import type { RequestStart } from './request-start.ts';

/** A request for Graph: the path that was judged, the client's headers, the credential with its scheme. */
export interface GraphRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly authorization: string;
}

export interface GraphPort {
  /** A small request whose answer is judged; `mayStill` is asked at the last moment before it leaves. */
  exchange(
    request: GraphRequest & { readonly body: Buffer | null },
    mayStill?: () => boolean,
    /** For a request that is a write: it is not begun, or given up, when the write is cut. */
    guard?: WriteGuard,
  ): Promise<Sent<RawAnswer>>;
  /** Streams both ways. */
  forward(
    request: GraphRequest & {
      readonly body: Readable | Buffer | null;
      readonly guard?: WriteGuard;
      /** How long a streamed body may take, and the answer from its head to its end, ms; undefined: for ever. */
      readonly bodyMs?: number;
      readonly answerMs?: number;
      /** Refuses an answer by its status, before anything of it is passed on. */
      readonly judge?: (status: number) => Refusal | undefined;
    },
    res: ServerResponse,
  ): Promise<Forwarded>;
  /** The headers of a judged answer, as the client gets them. */
  answerHeaders(answer: RawAnswer): Decision<OutgoingHttpHeaders>;
}

export interface MediaPort {
  forward(
    request: {
      readonly path: string;
      readonly facts: Readonly<Record<string, string>>;
      readonly guard?: WriteGuard;
    },
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<Forwarded>;
  /** Has the handler discard a write; absent: it does not offer that. */
  readonly discard?: (write: DiscardedWrite, withinMs: number) => Promise<boolean>;
  /** The connection of the client goes over to the stream with the 101; `res` answers on it until then. */
  openWebSocket(
    request: {
      readonly path: string;
      readonly facts: Readonly<Record<string, string>>;
      readonly guard: WriteGuard;
      readonly onFrames: (direction: FrameDirection, count: number) => void;
    },
    req: IncomingMessage,
    res: ServerResponse,
    client: { readonly socket: Socket; readonly head: Buffer },
  ): Promise<Upgraded>;
}

/** How bots prove themselves on the control plane (docs/design/callers.md). */
export type ControlAuth =
  | {
      /** A token for our audience; the proxy brings the Graph credential. */
      readonly mode: 'jwt';
      readonly verifier: Verifier;
      /** A Graph token for a caller, without its scheme. */
      readonly credentials: {
        tokenFor(who: Binding, req: IncomingMessage): Promise<Decision<string>>;
        /** Another token than one that Graph has refused; undefined, at once or in the end: there is none to try. */
        replace?(who: Binding, refused: string): Promise<string | undefined> | undefined;
      };
    }
  | {
      /** The bot's Graph token is passed on; it counts for a call only once Graph has accepted it for that call. */
      readonly mode: 'graph';
      readonly opaqueTokens: 'refuse' | 'allow';
    };

/** What every stage may use. */
export interface StageDeps {
  readonly gate: Gate;
  readonly policyFor: PolicyFor;
  readonly meter: Meter;
  readonly log: Log;
  readonly newId: () => string;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly limits: Limits;
  readonly requests: RequestLog;
  /** Whose request it is where nothing better is known. */
  readonly clientAddress: ClientAddress;
  /** When a media write began at the proxy in front; absent: that is not asked. */
  readonly requestStart?: RequestStart;
}

/** The notification endpoint of a bot. */
export interface BotPort {
  /** Passes a notification on with its own token, and the answer back. */
  forward(
    notification: { readonly path: string; readonly body: Buffer | Readable },
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<Forwarded>;
}

export interface ControlDeps extends StageDeps {
  readonly auth: ControlAuth;
  readonly graph: GraphPort;
  /** Where notifications come through the proxy; undefined: nowhere, so no `callbackUri` is judged. */
  readonly callbacks?: CallbackTarget;
}
