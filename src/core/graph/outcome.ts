import { isRecord } from '../json.ts';

/** What Graph's answer to a status change means for the gate (docs/design/success.md). */
export type StatusOutcome =
  | { readonly kind: 'completed'; readonly operationId?: string }
  /** Taken, but not yet done; `operationId` is what Graph named to us. */
  | { readonly kind: 'pending'; readonly operationId?: string }
  /** A definite no: Graph has processed the request and it is not on the wire any more. */
  | {
      readonly kind: 'refused';
      readonly code?: string;
      readonly gone: boolean;
      readonly notPolicyCall: boolean;
      readonly tenantMismatch?: true;
    }
  /** Whether Graph acted, or will, is unknown. */
  | { readonly kind: 'unknown'; readonly why: string };

export interface GraphAnswer {
  readonly status: number;
  /** The parsed JSON body; `undefined` if empty or unreadable. */
  readonly body: unknown;
  readonly location?: string;
}

/** Error 8506: the call is not a compliance-recording call. It can never be cured. */
const notComplianceRecording = '8506';
/** Error 7505: the tenant of the Graph token is not that of the call. The same token will never do. */
const wrongTenant = '7505';
const permanent = new Set([notComplianceRecording, wrongTenant]);
/** 4xx statuses that ask for a retry: Graph may not have looked at the request at all. */
const retriable = new Set([408, 425, 429]);

export function judgeStatusAnswer(answer: GraphAnswer): StatusOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return judgeOperation(answer);
  const code = errorCode(answer.body);
  // The statuses that come with these codes are not documented; the code alone is a definite answer.
  const definite = status >= 400 && status < 500 && !retriable.has(status);
  if (definite || (status >= 400 && code !== undefined && permanent.has(code))) {
    return {
      kind: 'refused',
      ...(code === undefined ? {} : { code }),
      gone: status === 404 || status === 410,
      notPolicyCall: code === notComplianceRecording,
      ...(code === wrongTenant ? { tenantMismatch: true } : {}),
    };
  }
  return { kind: 'unknown', why: `Graph answered ${status}` };
}

/**
 * Only `completed` (any letter case) with a result code that is absent or 2xx is success; the documentation and
 * the metadata disagree on the letter case. `running`, `notStarted`, null and a body that says nothing are pending.
 */
export function judgeOperation(answer: GraphAnswer): StatusOutcome {
  const operation = isRecord(answer.body) ? answer.body : {};
  const id = typeof operation.id === 'string' ? operation.id : operationIdFrom(answer.location);
  const named =
    id === undefined || !/^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}$/.test(id) ? {} : { operationId: id };
  const status = typeof operation.status === 'string' ? operation.status.toLowerCase() : undefined;
  if (status === 'failed') return refusedOperation(operation.resultInfo);
  if (status !== 'completed') return { kind: 'pending', ...named };
  return succeeded(operation.resultInfo)
    ? { kind: 'completed', ...named }
    : refusedOperation(operation.resultInfo);
}

function succeeded(resultInfo: unknown): boolean {
  if (resultInfo === null || resultInfo === undefined) return true;
  if (!isRecord(resultInfo)) return false;
  const { code } = resultInfo;
  if (code === null || code === undefined) return true;
  return (typeof code === 'number' || typeof code === 'string') && /^2\d\d$/.test(String(code));
}

function refusedOperation(resultInfo: unknown): StatusOutcome {
  const info = isRecord(resultInfo) ? resultInfo : {};
  const codes = [info.code, info.subcode]
    .filter((code) => typeof code === 'string' || typeof code === 'number')
    .map(String);
  return {
    kind: 'refused',
    ...(codes.length === 0 ? {} : { code: codes.join('/') }),
    gone: [404, 410, '404', '410'].some((code) => code === info.code),
    notPolicyCall: codes.includes(notComplianceRecording),
    ...(codes.includes(wrongTenant) ? { tenantMismatch: true } : {}),
  };
}

const maxInner = 8;

/**
 * The code in Graph's error envelope; a number in a string for communications. Graph puts what a service has answered into
 * an error of its own, as `innerError` or `innererror`: a code that no repetition cures counts wherever it stands.
 */
export function errorCode(body: unknown): string | undefined {
  const codes: string[] = [];
  let error = isRecord(body) ? body.error : undefined;
  for (let depth = 0; isRecord(error) && depth < maxInner; depth += 1) {
    if (typeof error.code === 'string' || typeof error.code === 'number') codes.push(String(error.code));
    error = error.innerError ?? error.innererror;
  }
  return codes.find((code) => permanent.has(code)) ?? codes[0];
}

const operationIdFrom = (location: string | undefined): string | undefined =>
  /\/operations(?:\/|\(')([^/?#']+)/i.exec(location ?? '')?.[1];
