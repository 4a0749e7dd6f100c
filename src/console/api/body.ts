import express, { type ErrorRequestHandler, type Request, type RequestHandler } from 'express';
import type { HoldScope } from '../../core/call/hold.ts';
import { type Decision, grant, refuse } from '../../core/decision.ts';
import { isRecord } from '../../core/json.ts';
import type { ReasonCode } from '../../core/reasons.ts';
import { sendRefusal } from './problem.ts';
import { isGuid } from './query.ts';

const limit = '8kb';
const longestReason = 500;

/** Reads the body of a request that has one. */
export const readBody: RequestHandler = express.json({ limit, strict: true, type: 'application/json' });

/** What the reader of bodies throws, by its status. */
const unread: Readonly<Record<number, ReasonCode>> = {
  400: 'BodyInvalid',
  413: 'BodyTooLarge',
  415: 'ContentTypeUnsupported',
};

/** Answers what went wrong while a body was read; anything else goes on. */
export const onUnreadBody: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  const status =
    isRecord(error) || error instanceof Error ? (error as { status?: unknown }).status : undefined;
  const reason = typeof status === 'number' ? unread[status] : undefined;
  if (reason === undefined || res.headersSent) next(error);
  else sendRefusal(res, refuse(reason));
};

function fieldsOf(req: Request, allowed: readonly string[]): Decision<Record<string, unknown>> {
  const body = req.body as unknown;
  if (body === undefined) return refuse('ContentTypeUnsupported');
  if (!isRecord(body)) return refuse('BodyInvalid', { detail: 'not a JSON object' });
  const other = Object.keys(body).find((name) => !allowed.includes(name));
  return other === undefined
    ? grant(body)
    : refuse('BodyInvalid', { detail: `the only fields are ${allowed.join(', ')}` });
}

/** Why an operator acts: a text that evidence, terminals and pages can show. */
function reasonIn({ reason }: Record<string, unknown>): Decision<string> {
  const text = typeof reason === 'string' ? reason.trim() : '';
  return text !== '' && text.length <= longestReason && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text)
    ? grant(text)
    : refuse('BodyInvalid', {
        detail: `"reason" must be a text of 1 to ${longestReason} characters, without line breaks`,
      });
}

export function readReason(req: Request): Decision<string> {
  const fields = fieldsOf(req, ['reason']);
  return fields.ok ? reasonIn(fields.value) : fields;
}

export function readHold(req: Request): Decision<{ readonly scope: HoldScope; readonly reason: string }> {
  const fields = fieldsOf(req, ['reason', 'all', 'tenant', 'app']);
  if (!fields.ok) return fields;
  const reason = reasonIn(fields.value);
  if (!reason.ok) return reason;
  const scope = scopeIn(fields.value);
  return scope === undefined
    ? refuse('BodyInvalid', {
        detail: 'exactly one of "tenant" (a GUID), "app" (a GUID) and "all" (true) must be there',
      })
    : grant({ scope, reason: reason.value });
}

function scopeIn({ all, tenant, app }: Record<string, unknown>): HoldScope | undefined {
  if ([all, tenant, app].filter((value) => value !== undefined).length !== 1) return undefined;
  if (all === true) return { all };
  if (isGuid(tenant)) return { tenant: tenant.toLowerCase() };
  return isGuid(app) ? { app: app.toLowerCase() } : undefined;
}
