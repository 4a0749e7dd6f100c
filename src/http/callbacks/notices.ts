import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Binding } from '../../core/call/state.ts';
import { idFacts, type RequestIds } from '../../core/http/request-ids.ts';
import { readGraphJson } from '../../core/graph/read-json.ts';
import type { IgnoredNotice, NoticeBatch } from '../../core/notices/notice.ts';
import { readNotices } from '../../core/notices/read.ts';
import type { CallbackDeps } from './context.ts';

export function applyNotices(
  deps: CallbackDeps,
  req: IncomingMessage,
  by: Binding,
  body: Buffer | Readable,
  ids: RequestIds,
): void {
  const { notices, ignored } = noticesOf(deps, req, by, body);
  for (const [why, count] of Object.entries(ignored)) {
    deps.meter.notice('ignored', why as IgnoredNotice, count);
    deps.log.warn(
      { why, count, tenant: by.tenant, app: by.app, ...idFacts(ids) },
      'notifications were forwarded to the bot but could not be processed',
    );
  }
  deps.gate.receiveNotices(by, notices, ids);
}

function noticesOf(
  { limits }: CallbackDeps,
  { headers }: IncomingMessage,
  { tenant }: Binding,
  body: Buffer | Readable,
): NoticeBatch {
  if (!Buffer.isBuffer(body)) return { notices: [], ignored: { tooLarge: 1 } };
  const { maxBytes } = limits.notificationBody;
  // Nothing opens for what a notification says.
  const read = readGraphJson(body, headers, { maxBytes, decides: false });
  return readNotices(read.readable ? read.value : undefined, tenant);
}
