import type { CallbackMatch, CallbackRoute } from '../../core/http/callback-route.ts';
import type { NotificationVerifier } from '../../core/ports/identity.ts';
import type { BotPort, StageDeps } from '../ports.ts';

/** A callback path with the bot behind it. */
export interface ServedCallback extends CallbackRoute {
  readonly bot: BotPort;
}

export interface CallbackDeps extends StageDeps {
  readonly verifier: NotificationVerifier;
  readonly routes: readonly ServedCallback[];
}

export type Match = CallbackMatch<ServedCallback>;
