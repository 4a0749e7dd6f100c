import { describe, expect, test } from '@jest/globals';
import { refuse } from '../../../../src/core/decision.ts';
import type { RawAnswer, Sent } from '../../../../src/core/graph/exchange.ts';
import { reasons, type ReasonCode } from '../../../../src/core/reasons.ts';
import { tokenVerdict, type TokenVerdict } from '../../../../src/http/control/token-verdict.ts';

const answered = (status: number): Sent<RawAnswer> => ({
  kind: 'answered',
  answer: { status, headers: {}, raw: Buffer.of(), body: undefined },
  facts: {},
});

const single: Readonly<Record<number, TokenVerdict>> = {
  401: 'refused',
  403: 'denied',
  404: 'gone',
  408: 'noAnswer',
  410: 'gone',
  429: 'busy',
};

describe('what an answer of Graph says of a token', () => {
  test.each(Array.from({ length: 800 }, (_, n) => n + 200))('%i', (status) => {
    const byClass = status < 300 ? 'accepted' : status < 500 ? 'unusable' : 'noAnswer';
    expect(tokenVerdict(answered(status))).toBe(single[status] ?? byClass);
  });

  test('no answer is silence where Graph was asked in vain, and nothing anywhere else', () => {
    const verdicts = (Object.keys(reasons) as ReasonCode[]).flatMap((reason) =>
      (['lost', 'notSent'] as const).map((kind) => [
        reason,
        tokenVerdict({ kind, refusal: refuse(reason), facts: {} }),
      ]),
    );
    expect(
      new Set(verdicts.filter(([, verdict]) => verdict === 'noAnswer').map(([reason]) => reason)),
    ).toEqual(new Set(['GraphTimeout', 'GraphUnreachable']));
    expect(new Set(verdicts.map(([, verdict]) => verdict))).toEqual(new Set(['noAnswer', 'busy']));
  });
});
