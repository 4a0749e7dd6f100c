import { type ReasonCode, reasons, textOf } from '../../core/reasons.ts';
import { type Answer, errorCodeOf } from './ask.ts';

/** Who has answered a request for the proxy. */
export type Answerer =
  /** `inHeader`: `Tallylight-Reason` came along. */
  | { readonly by: 'proxy'; readonly reason: ReasonCode; readonly inHeader: boolean }
  | { readonly by: 'graph'; readonly code: string }
  | { readonly by: 'other' };

const isReason = (name: string | undefined): name is ReasonCode =>
  name !== undefined && Object.hasOwn(reasons, name);

/** Graph writes errors in the same envelope, with codes of its own; what is in front of the proxy does not. */
export function answererOf(answer: Answer): Answerer {
  const header = answer.headers['tallylight-reason'];
  const given = typeof header === 'string' ? header : undefined;
  if (isReason(given)) return { by: 'proxy', reason: given, inHeader: true };
  const code = errorCodeOf(answer);
  if (isReason(code)) return { by: 'proxy', reason: code, inHeader: false };
  return code === undefined ? { by: 'other' } : { by: 'graph', code };
}

/** A refusal with what it means, for people. */
export const explained = (reason: ReasonCode, answer: Answer): string =>
  `${answer.status} ${reason}: ${textOf(reason)}`.replace(/\.$/, '');
