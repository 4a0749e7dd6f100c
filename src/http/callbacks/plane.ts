import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Binding } from '../../core/call/state.ts';
import { type Decision, grant, refuse } from '../../core/decision.ts';
import { readGraphJson } from '../../core/graph/read-json.ts';
import { type CallbackMatch, type CallbackRoute, matchCallback } from '../../core/http/callback-route.ts';
import { parseRequestTarget } from '../../core/http/request-target.ts';
import type { IgnoredNotice, NoticeBatch } from '../../core/notices/notice.ts';
import { readNotices } from '../../core/notices/read.ts';
import type { NotificationVerifier } from '../../core/ports/identity.ts';
import { answering } from '../answer.ts';
import { tokenOf } from '../authenticate.ts';
import { readOrStream } from '../body.ts';
import { expectsContinue } from '../identify-call.ts';
import type { BotPort, StageDeps } from '../ports.ts';

/** A callback path with the bot behind it. */
export interface ServedCallback extends CallbackRoute {
  readonly bot: BotPort;
}

export interface CallbackDeps extends StageDeps {
  readonly verifier: NotificationVerifier;
  readonly routes: readonly ServedCallback[];
}

/** Answers what comes to the callback paths; false: the path is none of them. */
export type CallbackPlane = (req: IncomingMessage, res: ServerResponse) => boolean;

/**
 * Graph's notifications: authenticate, forward to the bot unchanged, learn. The bot never waits for what is learned,
 * and gets its notifications also while the store is down.
 */
export function callbackPlane(deps: CallbackDeps): CallbackPlane {
  return (req, res) => {
    const target = parseRequestTarget(req.url ?? '');
    const match = target.ok ? matchCallback(deps.routes, target.value) : undefined;
    if (match === undefined) return false;
    answering(deps, 'notification', req, res, async () => {
      const passed = await serve(deps, req, res, match);
      deps.meter.decision('notification', passed.ok ? 'passed' : passed.reason);
      return passed;
    });
    return true;
  };
}

type Match = CallbackMatch<ServedCallback>;

async function serve(
  deps: CallbackDeps,
  req: IncomingMessage,
  res: ServerResponse,
  match: Match,
): Promise<Decision<void>> {
  const began = deps.now();
  const token = tokenOf(req);
  if (!token.ok) return token;
  const by = await deps.verifier.verify(token.value);
  if (!by.ok) return by;
  if (req.method !== 'POST') return refuse('MethodNotAllowed', { detail: 'offered: POST' });
  const room = deps.limits.notification(by.value);
  if (!room.ok) return room;
  try {
    return await pass(deps, req, res, match, by.value, began);
  } finally {
    room.value();
  }
}

/** Forwards the notification, and learns from it. */
async function pass(
  deps: CallbackDeps,
  req: IncomingMessage,
  res: ServerResponse,
  { route, path }: Match,
  by: Binding,
  began: number,
): Promise<Decision<void>> {
  const body = await readOrStream(req, deps.limits.notificationBody, () => {
    if (expectsContinue(req)) res.writeContinue();
  });
  if (!body.ok) return body;
  const forwarding = route.bot.forward({ path, body: body.value }, req, res);
  // It is on its way; what the bot asks next finds whose the call is.
  learn(deps, req, by, body.value);
  // An answer that came while it was read had to wait: reading counts as added, though the bot may have worked as well.
  const asked = deps.now();
  const forwarded = await forwarding;
  const botMs = deps.now() - asked;
  if (forwarded.kind === 'failed') return forwarded.refusal;
  const { status } = forwarded;
  const done = (): void => deps.meter.notification(status, Math.max(0, deps.now() - began - botMs) / 1000);
  if (res.writableFinished || res.destroyed) done();
  else res.once('close', done);
  return grant(undefined);
}

function learn(deps: CallbackDeps, req: IncomingMessage, by: Binding, body: Buffer | Readable): void {
  const { notices, ignored } = noticesOf(deps, req, by, body);
  for (const [why, count] of Object.entries(ignored)) {
    deps.meter.notice('ignored', why as IgnoredNotice, count);
    deps.log.warn(
      { why, count, tenant: by.tenant, app: by.app },
      'notifications were passed on to the bot, but nothing could be learned from them',
    );
  }
  deps.gate.receiveNotices(by, notices);
}

function noticesOf(
  { limits }: CallbackDeps,
  { headers }: IncomingMessage,
  { tenant }: Binding,
  body: Buffer | Readable,
): NoticeBatch {
  if (!Buffer.isBuffer(body)) return { notices: [], ignored: { tooLarge: 1 } };
  const { maxBytes } = limits.notificationBody;
  // Nothing opens for what a notification says.
  const read = readGraphJson(body, headers, { maxBytes, decides: false });
  return readNotices(read.readable ? read.value : undefined, tenant);
}
