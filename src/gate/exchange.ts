import type { Poll, Sent } from '../core/exchange.ts';
import {
  judgeOperation,
  judgeStatusAnswer,
  type GraphAnswer,
  type StatusOutcome,
} from '../core/graph-outcome.ts';
import type { JsonObject } from '../core/json.ts';
import { sleep, type GateDeps } from './context.ts';

/** What the evidence says of an outcome. */
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

export interface Resolved<Answer extends GraphAnswer> {
  readonly outcome: StatusOutcome;
  /** The answer the outcome was read from. */
  readonly sent: Sent<Answer>;
}

/**
 * What a sent status change came to: Graph's answer, or for a pending operation our own reading of it until
 * `deadline` (local clock) or until `abandoned`. A 404 on an operation says nothing about success.
 */
export async function resolve<Answer extends GraphAnswer>(
  { clock }: GateDeps,
  sent: Sent<Answer>,
  poll: Poll<Answer>,
  deadline: number,
  abandoned: () => Promise<boolean>,
): Promise<Resolved<Answer>> {
  if (sent.kind !== 'answered') return { outcome: { kind: 'unknown', why: sent.refusal.reason }, sent };
  const first = judgeStatusAnswer(sent.answer);
  if (first.kind !== 'pending' || first.operationId === undefined) return { outcome: first, sent };
  for (let pauseMs = 100; clock.now() + pauseMs < deadline; pauseMs = Math.min(1000, pauseMs * 2)) {
    await sleep(clock, pauseMs);
    if (await abandoned()) break;
    const read = await poll(first.operationId);
    if (read.kind !== 'answered' || read.answer.status !== 200) continue;
    const outcome = judgeOperation(read.answer);
    if (outcome.kind !== 'pending') return { outcome, sent: read };
  }
  return { outcome: first, sent };
}
