import { refuse, type Refusal } from '../core/decision.ts';
import { isRecord } from '../core/json.ts';
import type { ReasonCode } from '../core/reasons.ts';

/** The same faults have other names towards Graph, a media handler and a bot. */
export interface FaultReasons {
  readonly unreachable: ReasonCode;
  readonly timeout: ReasonCode;
  readonly broken: ReasonCode;
}

export const graphFaults: FaultReasons = {
  unreachable: 'GraphUnreachable',
  timeout: 'GraphTimeout',
  broken: 'GraphUnreachable',
};

export const mediaFaults: FaultReasons = {
  unreachable: 'UpstreamUnreachable',
  timeout: 'UpstreamTimeout',
  broken: 'UpstreamFailed',
};

export const botFaults: FaultReasons = {
  unreachable: 'BotUnreachable',
  timeout: 'BotTimeout',
  broken: 'BotFailed',
};

const unreachable = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Why an exchange was given up by us. */
export class UpstreamAbort extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.reason);
    this.name = 'UpstreamAbort';
    this.refusal = refusal;
  }
}

export function refusalFor(error: unknown, reasons: FaultReasons): Refusal {
  if (error instanceof UpstreamAbort) return error.refusal;
  const code = isRecord(error) && typeof error.code === 'string' ? error.code : '';
  if (unreachable.has(code)) return refuse(reasons.unreachable, { detail: code });
  return refuse(reasons.broken, { detail: code === '' ? undefined : code });
}
