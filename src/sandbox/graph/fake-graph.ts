import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { decodeJwt } from 'jose';
import { Fault, messageOf } from '../../core/errors.ts';
import { callRoutes, readStatus } from './calls.ts';
import { control, type FakeGraph } from './control.ts';
import { inviteBot } from './invitation.ts';
import { openEntry, type LogEntry } from './log.ts';
import { Notifications } from './notifications.ts';
import { recordRoutes } from './records.ts';
import {
  findRoute,
  graphError,
  lenientSegments,
  notFound,
  type Answer,
  type GraphRequest,
  type Outcome,
} from './route.ts';
import { Scripts, type Wire } from './script.ts';
import { conversationEnded, FakeGraphState } from './state.ts';
import { listen, monotonic, parseJson, readBody, reply, send, type ListenOptions } from '../loopback.ts';
import { callerOf, type Claims, type GraphCaller } from '../token-mint.ts';

export interface FakeGraphOptions extends ListenOptions {
  /** Checks a bearer token, and throws if it is not good: `TokenMint.verifyGraphToken`. */
  readonly verify?: ((token: string) => Promise<GraphCaller>) | undefined;
  /** Signs notifications: `TokenMint.mintNotificationToken`. */
  readonly sign?: ((claims: Claims) => Promise<string>) | undefined;
  /** Takes any bearer token. Claims are believed; one that cannot be read may see every call. */
  readonly allowAnyToken?: boolean | undefined;
  /** Wall clock, ms since the epoch. */
  readonly now?: (() => number) | undefined;
  /** How updateMetadata is answered: 200 with an operation (default) or 202. */
  readonly metadataAnswer?: 200 | 202 | undefined;
}

export type { FakeGraph };

const maxBodyBytes = 1024 * 1024;

/**
 * Microsoft Graph's cloud communications as a recording bot sees them, for the sandbox and the tests: `/v1.0` and
 * `/beta`, calls, operations, participants and call records. What it can be made to do otherwise, over HTTP or in code,
 * is in `control-table.ts`.
 *
 * Notifications are made once `connect` has named the bot's webhook. They go to `callbackUri` of the call's answer, or
 * to the webhook, and to this machine only; each is tried once.
 */
export async function startFakeGraph(options: FakeGraphOptions): Promise<FakeGraph> {
  const verify = options.verify ?? (options.allowAnyToken === true ? believe : undefined);
  if (verify === undefined)
    throw new Fault('ConfigurationInvalid', 'the fake Graph needs verify or allowAnyToken');
  const now = options.now ?? (() => Date.now());
  const notifications = new Notifications(options.sign ?? noSigner, () => state.webhook);
  const state = new FakeGraphState(now, (call, event) => notifications.publish(call, event));
  const log: LogEntry[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const scripts = new Scripts((ms, run) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  });

  const server = createServer((req, res) => {
    serve(req, res).catch((error: unknown) => {
      if (req.destroyed || res.headersSent) res.destroy();
      else send(res, reply(500, { error: { code: 'FakeGraphFault', message: messageOf(error) } }));
    });
  });
  const listening = await listen(server, options);

  const graph: FakeGraph = {
    url: listening.url,
    log,
    banner: state.banner,
    deliveries: notifications.deliveries,
    notifications,
    connect({ webhook, ca }) {
      state.webhook = webhook;
      notifications.ca = ca;
    },
    async notify(callId, body, byHand = {}) {
      const call = callId === null ? undefined : state.recall(callId);
      if (callId !== null && call === undefined)
        throw new Fault('ConfigurationInvalid', `there is no call ${callId}`);
      return notifications.send(call, body, byHand);
    },
    incomingCall: (call = {}) => inviteBot(state, call).id,
    recordingState: (callId) => state.find(callId)?.recording,
    addParticipant(callId, { user = randomUUID(), displayName = 'Another user' } = {}) {
      const call = state.find(callId);
      return call && state.addParticipants(call, [{ user, displayName }])[0];
    },
    removeParticipant(callId, participantId) {
      const call = state.find(callId);
      return call !== undefined && state.removeParticipant(call, participantId);
    },
    endCall(callId, result = conversationEnded) {
      const call = state.find(callId);
      if (call !== undefined) state.endCall(call, result);
    },
    script: (rule) => scripts.add(rule),
    release: () => scripts.releaseAll(),
    async close() {
      for (const timer of timers) clearTimeout(timer);
      notifications.close();
      await listening.close();
    },
  };

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path = '', query = ''] = (req.url ?? '/').split('?', 2);
    const segments = lenientSegments(path);
    if (segments[0] === 'sandbox') {
      const text = (await readBody(req, maxBodyBytes))?.toString();
      const body = parseJson(text);
      const request = { method: req.method ?? '', segments: segments.slice(1), body };
      // Nothing is asked for by an empty body, but something by one that cannot be read.
      const wrong = text !== '' && body === undefined;
      send(
        res,
        wrong
          ? reply(400, { error: 'the body is not JSON, or is too long' })
          : await control(graph, (id) => scripts.find(id), request),
      );
      return;
    }
    const entry = openEntry(log.length + 1, req);
    log.push(entry);
    const body = parseJson((await readBody(req, maxBodyBytes))?.toString());
    const wire = await decide(entry, req, segments, new URLSearchParams(query), body);
    transmit(entry, req, res, wire);
  }

  async function decide(
    entry: LogEntry,
    req: IncomingMessage,
    [version = '', ...segments]: readonly string[],
    query: URLSearchParams,
    body: unknown,
  ): Promise<Wire> {
    const caller = await authenticate(req);
    if (caller === undefined)
      return graphError(401, 'InvalidAuthenticationToken', 'The access token is missing or not valid.')
        .answer;
    entry.app = caller?.app ?? null;
    entry.tenant = caller?.tenant ?? null;
    const found = findRoute([...callRoutes, ...recordRoutes], entry.method, segments);
    if (found === undefined || !/^(v1\.0|beta)$/i.test(version)) return notFound.answer;
    const { route, params } = found;
    entry.action = route.action;
    entry.call = params.call ?? null;
    if (route.action === 'updateRecordingStatus') entry.asked = readStatus(body) ?? null;
    if (caller !== null && route.roles?.some((role) => caller.roles.includes(role)) === false)
      return graphError(403, 'Forbidden', 'The application lacks the permission.').answer;
    const base = `${listening.url}/${version.toLowerCase()}`;
    const metadataAnswer = options.metadataAnswer ?? 200;
    const request: GraphRequest = { state, base, caller, params, query, body, metadataAnswer };
    return play(entry, route.handle(request));
  }

  async function play(entry: LogEntry, outcome: Outcome): Promise<Wire> {
    const act = (): void => {
      outcome.keepOperation?.();
      outcome.effect?.();
      entry.effectAt = monotonic();
    };
    const rule = scripts.take(entry.action ?? '', entry.call, entry.asked);
    if (rule !== undefined) return rule.play(outcome, act);
    act();
    return outcome.answer;
  }

  /** undefined: not good. */
  async function authenticate(req: IncomingMessage): Promise<GraphCaller | null | undefined> {
    const token = /^Bearer (\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (token === undefined || verify === undefined) return undefined;
    try {
      return await verify(token);
    } catch {
      return undefined;
    }
  }

  function transmit(entry: LogEntry, req: IncomingMessage, res: ServerResponse, wire: Wire): void {
    entry.answeredAt = monotonic();
    if (wire === 'none' || wire === 'reset') {
      entry.answered = wire;
      if (wire === 'reset') res.destroy();
      return;
    }
    const answer = 'truncated' in wire ? wire.truncated : wire;
    entry.answered = 'truncated' in wire ? 'reset' : answer.status;
    const { headers, body } = render(answer, req, now());
    res.writeHead(answer.status, headers);
    if ('truncated' in wire) res.write(body.subarray(0, body.length / 2), () => res.destroy());
    else res.end(body);
  }

  return graph;
}

/** Adds what Graph puts on every answer, and into every error. */
function render(
  answer: Answer,
  req: IncomingMessage,
  at: number,
): { headers: Record<string, string | number>; body: Buffer } {
  const requestId = randomUUID();
  const clientRequestId = oneOf(req.headers['client-request-id']) ?? requestId;
  const scenario = oneOf(req.headers['scenario-id']);
  const text = typeof answer.body === 'string';
  const ids = { 'request-id': requestId, 'client-request-id': clientRequestId };
  const content = text
    ? answer.body
    : describe(answer, { date: new Date(at).toISOString().slice(0, 19), ...ids });
  const body = Buffer.from(content ?? '');
  return {
    headers: {
      ...(content === undefined
        ? {}
        : { 'content-type': text ? 'text/plain' : 'application/json;odata.metadata=minimal' }),
      ...ids,
      ...(scenario === undefined ? {} : { 'scenario-id': scenario }),
      'odata-version': '4.0',
      'x-ms-ags-diagnostic': JSON.stringify({ ServerInfo: { DataCenter: 'Sandbox', Ring: '1' } }),
      date: new Date(at).toUTCString(),
      ...lowerCased(answer.headers),
      ...(answer.status === 204 ? {} : { 'content-length': body.length }),
    },
    body,
  };
}

function describe({ status, body }: Answer, innerError: object): string | undefined {
  if (body === undefined) return undefined;
  const error = status >= 400 ? (body as { error: object }).error : undefined;
  return JSON.stringify(error === undefined ? body : { error: { ...error, innerError } });
}

const lowerCased = (headers: Answer['headers'] = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

const oneOf = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header[0] : header;

const noSigner = (): Promise<string> =>
  Promise.reject(new Fault('ConfigurationInvalid', 'the fake Graph has no key to sign notifications with'));

function believe(token: string): Promise<GraphCaller | null> {
  try {
    return Promise.resolve(callerOf(decodeJwt(token)));
  } catch {
    return Promise.resolve(null);
  }
}
