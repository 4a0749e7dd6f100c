import type { Operator, StandingHold } from '../../core/call/hold.ts';
import type { EvidenceRecord } from '../../core/call/evidence.ts';
import type { StateName } from '../../core/call/state.ts';
import type { OperatorRole } from '../../core/ports/operator.ts';
import type { StoredCall } from '../backend.ts';
import type { CallRow } from '../row.ts';

export interface Session {
  readonly who: Operator & { readonly name?: string };
  readonly roles: readonly OperatorRole[];
  /** null: all. */
  readonly tenants: readonly string[] | null;
  readonly enforcing: boolean;
  readonly observeUntil: string | null;
  readonly version: string;
}

type Stored = Pick<StoredCall, 'exchange' | 'notified'>;

export interface CallDetail extends CallRow, Stored {
  /** null: the store did not answer. */
  readonly holders: StoredCall['holders'] | null;
  /** The latest records, newest first. */
  readonly evidence: readonly EvidenceRecord[];
  readonly storeAnswered: boolean;
}

export interface Closed {
  readonly state: StateName;
  /** null: not known yet. */
  readonly told: 'graph' | 'nobody' | null;
  /** The gate is closed, and writes in progress end. */
  readonly isUnderWay: boolean;
}

export interface HoldAnswer {
  readonly hold: StandingHold;
  readonly acknowledged: boolean;
}

/** Whom a hold is for, as `POST /api/hold` takes it. */
export type Scope = { readonly all: true } | { readonly tenant: string } | { readonly app: string };

/** A refusal of the API, or no answer (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Answer<T> {
  readonly status: number;
  readonly body: T;
  /** The server's clock, ms since the epoch; NaN: not told. */
  readonly date: number;
}

async function ask<T>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  let res: Response;
  try {
    res = await fetch(path, { ...init, cache: 'no-store', redirect: 'error' });
  } catch {
    throw new ApiError(
      0,
      'NoAnswer',
      'The console did not answer. Nothing is known of the request; check the connection and look at the call again.',
    );
  }
  const body = (await res.json().catch(() => undefined)) as T & {
    readonly error?: { readonly code?: string; readonly message?: string };
  };
  if (!res.ok) {
    const { code = String(res.status), message = `The console answered with status ${res.status}.` } =
      (body as typeof body | undefined)?.error ?? {};
    throw new ApiError(res.status, code, message);
  }
  return { status: res.status, body, date: Date.parse(res.headers.get('date') ?? '') };
}

const sending = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

export async function readSession(): Promise<{ readonly session: Session; readonly date: number }> {
  const { body, date } = await ask<Session>('/api/session');
  return { session: body, date };
}

export const signIn = async (token: string): Promise<void> => {
  await ask('/api/session', { method: 'POST', headers: { authorization: `Bearer ${token}` } });
};

export const signOut = async (): Promise<void> => {
  await ask('/api/session', { method: 'DELETE' });
};

export const readCall = async (id: string): Promise<CallDetail> =>
  (await ask<CallDetail>(`/api/calls/${encodeURIComponent(id)}`)).body;

export async function closeCall(id: string, reason: string): Promise<Closed> {
  const path = `/api/calls/${encodeURIComponent(id)}/close`;
  const { status, body } = await ask<Omit<Closed, 'isUnderWay'>>(path, sending({ reason }));
  return { ...body, isUnderWay: status === 202 };
}

export const setHold = async (scope: Scope, reason: string): Promise<HoldAnswer> =>
  (await ask<HoldAnswer>('/api/hold', sending({ ...scope, reason }))).body;

export const releaseHold = async (id: string, reason: string): Promise<HoldAnswer> =>
  (await ask<HoldAnswer>(`/api/hold/${encodeURIComponent(id)}/release`, sending({ reason }))).body;
