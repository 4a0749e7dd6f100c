import type { Response } from 'express';
import type { Refusal } from '../../core/decision.ts';
import { statusOf, textOf } from '../../core/reasons.ts';

/** Answers with a refusal: `{ error: { code, message } }`, its code one of docs/reference/reasons.md. */
export function sendRefusal(res: Response, { reason, detail, retryAfterMs }: Refusal): void {
  const status = statusOf(reason);
  if (status === 401) res.setHeader('WWW-Authenticate', 'Bearer');
  if (retryAfterMs !== undefined) res.setHeader('Retry-After', Math.max(1, Math.ceil(retryAfterMs / 1000)));
  const message = detail === undefined ? textOf(reason) : `${textOf(reason)} (${detail})`;
  res.status(status).json({ error: { code: reason, message } });
}
