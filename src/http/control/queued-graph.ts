import { refuse } from '../../core/decision.ts';
import type { AcceptedTokens } from './accepted-tokens.ts';
import type { ControlRequest } from './context.ts';
import type { Pool } from '../shares.ts';
import type { GraphPort } from '../ports.ts';
import { readSmall } from '../small-body.ts';

/**
 * Access to Graph for one request: connections are queued per caller, and a small body is read completely before a
 * connection is taken.
 */
export function queuedGraph(request: ControlRequest, accepted: AcceptedTokens, pool: Pool): GraphPort {
  const { req, caller, share, keeps } = request;
  const { graph, limits } = request.deps;
  return {
    answerHeaders: (answer) => graph.answerHeaders(answer),
    async exchange(asked, mayStill, guard) {
      const turn = await limits.graphTurn(share, pool);
      if (!turn.ok) return { kind: 'notSent', refusal: turn };
      try {
        const sent = await graph.exchange(asked, mayStill, guard);
        if (sent.kind === 'answered') accepted.answered(caller.tokenHash, sent.answer.status);
        return sent;
      } finally {
        turn.value();
      }
    },
    async forward(asked, res) {
      let { body } = asked;
      // The bytes of a write that was admitted are watched as they come.
      if (body === req && asked.guard === undefined) {
        const read = await readSmall(req, limits.smallBody, keeps);
        if (!read.ok) return { kind: 'failed', refusal: read };
        ({ body } = read.value);
      }
      const isStream = body !== null && !Buffer.isBuffer(body);
      const stream = isStream && !share.proven ? await limits.unprovenStream(share) : undefined;
      if (stream?.ok === false) return { kind: 'failed', refusal: stream };
      const turn = await limits.graphTurn(share, pool);
      try {
        if (!turn.ok) return { kind: 'failed', refusal: turn };
        // No event follows when the client went away meanwhile.
        if (res.destroyed) return { kind: 'failed', refusal: refuse('ClientGone') };
        const within = { bodyMs: limits.smallBody.withinMs, answerMs: limits.answerMs };
        const forwarded = await graph.forward({ ...asked, ...within, body }, res);
        if (forwarded.kind === 'answered') accepted.answered(caller.tokenHash, forwarded.status);
        return forwarded;
      } finally {
        if (turn.ok) turn.value();
        stream?.value();
      }
    },
  };
}
