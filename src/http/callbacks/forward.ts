import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Binding } from '../../core/call/state.ts';
import { type Decision, grant } from '../../core/decision.ts';
import { readOrStream } from '../body.ts';
import { expectsContinue } from '../identify-media.ts';
import type { RequestFacts } from '../request-log.ts';
import type { CallbackDeps, Match } from './context.ts';
import { applyNotices } from './notices.ts';

/** Forwards the notification to the bot, and processes it. */
export async function forwardNotification(
  deps: CallbackDeps,
  req: IncomingMessage,
  res: ServerResponse,
  { route, path }: Match,
  by: Binding,
  facts: RequestFacts,
): Promise<Decision<void>> {
  const body = await readOrStream(req, deps.limits.notificationBody, () => {
    if (expectsContinue(req)) res.writeContinue();
  });
  if (!body.ok) return body;
  const forwarding = route.bot.forward({ path, body: body.value }, req, res);
  // It is on its way; what the bot asks next finds whose the call is.
  applyNotices(deps, req, by, body.value, facts);
  // An answer that came while it was read had to wait: reading counts as added, though the bot may have worked as well.
  const asked = deps.now();
  const forwarded = await forwarding;
  const botMs = deps.now() - asked;
  if (forwarded.kind === 'failed') return forwarded.refusal;
  const { status } = forwarded;
  const done = (): void =>
    deps.meter.notification(status, Math.max(0, deps.now() - facts.askedAt - botMs) / 1000);
  if (res.writableFinished || res.destroyed) done();
  else res.once('close', done);
  return grant(undefined);
}
