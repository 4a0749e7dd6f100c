import type { RawAnswer, Sent } from '../../core/graph/exchange.ts';

/**
 * What Graph's answer to a look at the call says of the token that was used:
 * - `accepted`: it is good for this call.
 * - `refused`: Graph does not accept it.
 * - `denied`: it is genuine, but not good for this call; also what a token of a user gets, whatever application it names.
 * - `gone`: there is no such call. Graph judges the token before it looks for the call.
 * - `noAnswer`: nothing, since Graph itself does not answer.
 * - `busy`: nothing, since somebody had too much to do, or the answer could not be taken in.
 * - `unusable`: nothing, since something is wrong with the look-up; Graph answers, or a gateway does before it.
 */
export type TokenVerdict = 'accepted' | 'refused' | 'denied' | 'gone' | 'noAnswer' | 'busy' | 'unusable';

const ofStatus: Readonly<Record<number, TokenVerdict>> = {
  401: 'refused',
  403: 'denied',
  404: 'gone',
  408: 'noAnswer',
  410: 'gone',
  429: 'busy',
};

export function tokenVerdict(sent: Sent<RawAnswer>): TokenVerdict {
  if (sent.kind !== 'answered') {
    const { reason } = sent.refusal;
    return reason === 'GraphTimeout' || reason === 'GraphUnreachable' ? 'noAnswer' : 'busy';
  }
  const { status } = sent.answer;
  if (status >= 200 && status < 300) return 'accepted';
  return ofStatus[status] ?? (status >= 500 ? 'noAnswer' : 'unusable');
}
