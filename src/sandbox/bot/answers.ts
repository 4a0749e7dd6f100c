import { decodeJwt } from 'jose';
import { messageOf } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { Bot } from './bot.ts';
import { sandboxApp, sandboxTenant } from '../token-mint.ts';

/** How the sandbox's bot takes calls. */
export interface Answering {
  /** Origin of the proxy. */
  readonly proxy: string;
  /** Where the call's notifications shall go. */
  readonly callbackUri: string;
  /** A token for the proxy, for the application that was invited. */
  readonly tokenFor: (who: { readonly tenant: string; readonly app: string }) => Promise<string>;
}

export interface AnsweredCall {
  readonly call: string;
  /** What the proxy answered; null: nothing. */
  readonly status: number | null;
}

/** Answers every invitation by a recording policy among the notifications, as a recording bot does. */
export async function answerInvitations(
  answering: Answering,
  authorization: string | undefined,
  body: unknown,
): Promise<AnsweredCall[]> {
  const value = isRecord(body) && Array.isArray(body.value) ? (body.value as unknown[]) : [];
  const calls = value.map(invitedTo).filter((call) => call !== undefined);
  return Promise.all(calls.map((call) => answerCall(answering, authorization, call)));
}

/** The id of the call; undefined: it is no invitation by a policy. */
function invitedTo(notice: unknown): string | undefined {
  if (!isRecord(notice) || notice.changeType !== 'created' || !isRecord(notice.resourceData))
    return undefined;
  const { state, id, incomingContext } = notice.resourceData;
  const observes = isRecord(incomingContext) && typeof incomingContext.observedParticipantId === 'string';
  return state === 'incoming' && observes && typeof id === 'string' ? id : undefined;
}

async function answerCall(
  { proxy, callbackUri, tokenFor }: Answering,
  authorization: string | undefined,
  call: string,
): Promise<AnsweredCall> {
  try {
    const bot = new Bot(proxy, await tokenFor(invited(authorization)), call);
    const { status } = await bot.post('answer', {
      callbackUri,
      acceptedModalities: ['audio'],
      mediaConfig: { '@odata.type': '#microsoft.graph.appHostedMediaConfig', blob: '<media session>' },
    });
    return { call, status: status === 0 ? null : status };
  } catch (error) {
    process.emitWarning(`the sandbox's bot could not answer call ${call}: ${messageOf(error)}`);
    return { call, status: null };
  }
}

/** Whom the notification was for, by its token, which the proxy has verified. */
function invited(authorization: string | undefined): { tenant: string; app: string } {
  try {
    const { tid, aud } = decodeJwt((authorization ?? '').replace(/^Bearer /i, ''));
    return { tenant: String(tid), app: String(aud) };
  } catch {
    return { tenant: sandboxTenant, app: sandboxApp };
  }
}
