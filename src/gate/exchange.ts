import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import type { Poll, Sent } from '../core/graph/exchange.ts';
import { isFault, messageOf } from '../core/errors.ts';
import {
  judgeOperation,
  judgeStatusAnswer,
  type GraphAnswer,
  type StatusOutcome,
} from '../core/graph/outcome.ts';
import { grant } from '../core/decision.ts';
import type { JsonObject } from '../core/json.ts';
import { change, type Author } from './change.ts';
import type { StatusDeps } from './context.ts';

/** Facts about an outcome for the evidence. */
export const outcomeFacts = (outcome: StatusOutcome): JsonObject => {
  switch (outcome.kind) {
    case 'completed':
    case 'pending':
      return { outcome: outcome.kind, operation: outcome.operationId ?? null };
    case 'refused':
      return { outcome: 'refused', code: outcome.code ?? null };
    case 'unknown':
      return { outcome: 'unknown', why: outcome.why };
  }
};

/** A status change that was sent, with a way to read its operation. */
export interface SentChange<Answer extends GraphAnswer> {
  readonly call: CallKey;
  readonly author: Author;
  /** Names the handler that holds the exchange. */
  readonly token: string;
  /** Whose the call is once Graph has taken the request; null: it binds nobody. */
  readonly binding: Binding | null;
  readonly sent: Sent<Answer>;
  readonly poll: Poll<Answer>;
  /** Local clock: the outcome is waited for until then. */
  readonly deadline: number;
  /** Whether nobody needs the outcome any more. */
  readonly abandoned?: () => Promise<boolean>;
}

export interface Resolved<Answer extends GraphAnswer> {
  readonly outcome: StatusOutcome;
  /** The answer the outcome was read from. */
  readonly sent: Sent<Answer>;
}

/**
 * Resolves the outcome of a sent status change: the response from Graph or, for a pending operation, our own reads of
 * it, repeated and triggered by notifications of its end. A 404 on an operation is not evidence of success.
 */
export async function resolve<Answer extends GraphAnswer>(
  deps: StatusDeps,
  change: SentChange<Answer>,
): Promise<Resolved<Answer>> {
  const { sent } = change;
  if (sent.kind !== 'answered') return { outcome: { kind: 'unknown', why: sent.refusal.reason }, sent };
  const outcome = judgeStatusAnswer(sent.answer);
  if (outcome.kind !== 'pending' || outcome.operationId === undefined) return { outcome, sent };
  const pending = { outcome, sent };
  const awaited = deps.operations.await(change.call, outcome.operationId);
  try {
    await tellPending(deps, change, outcome.operationId);
    return (await read(deps, change, outcome.operationId, (ms) => awaited.pause(ms))) ?? pending;
  } finally {
    awaited.close();
  }
}

async function read<Answer extends GraphAnswer>(
  { clock }: StatusDeps,
  { poll, deadline, abandoned }: SentChange<Answer>,
  operation: string,
  pause: (ms: number) => Promise<void>,
): Promise<Resolved<Answer> | undefined> {
  for (let pauseMs = 100; clock.now() + pauseMs < deadline; pauseMs = Math.min(1000, pauseMs * 2)) {
    await pause(pauseMs);
    if ((await abandoned?.()) === true) break;
    const sent = await poll(operation);
    if (sent.kind !== 'answered' || sent.answer.status !== 200) continue;
    const outcome = judgeOperation(sent.answer);
    if (outcome.kind !== 'pending') return { outcome, sent };
  }
  return undefined;
}

/** Other instances must know the operation: the notification of its end may reach them. */
async function tellPending<Answer extends GraphAnswer>(
  deps: StatusDeps,
  { call, author, token, binding }: SentChange<Answer>,
  operation: string,
): Promise<void> {
  try {
    await change(deps, call, author, () =>
      grant({
        event: { type: 'operationPending', token, operation, binding },
        detail: { operation },
      }),
    );
  } catch (error) {
    // The outcome does not depend on it.
    if (!isFault(error, 'StoreUnavailable')) throw error;
    deps.log.warn({ call, error: messageOf(error) }, 'a pending operation could not be stored');
  }
}
