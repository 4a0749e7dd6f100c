import { parseCallKey } from '../../core/call/key.ts';
import { refuse } from '../../core/decision.ts';
import { type Handler, operatorFacts, visibleCall } from './context.ts';
import { pageOf, readQuery } from './query.ts';

/** `GET /api/session` */
export const session: Handler = ({ headFor, version }, { res, who }) => {
  const { issuer, subject, name, roles, tenants } = who;
  const { enforcing, observeUntil } = headFor(tenants);
  res.json({
    who: { issuer, subject, ...(name === undefined ? {} : { name }) },
    ...{ roles, tenants, enforcing, observeUntil, version },
  });
  return undefined;
};

/** `GET /api/calls` */
export const calls: Handler = ({ projection, headFor, look }, { req, res, who }) => {
  const query = readQuery(new URL(req.originalUrl, 'http://console').search);
  if (!query.ok) return query;
  look();
  projection.tick();
  const page = pageOf(projection.list(who.tenants), query.value);
  res.json({ ...page, asOf: headFor(who.tenants).asOf });
  return undefined;
};

/** `GET /api/calls/{id}`: who looks at a call is logged. */
export const call: Handler = async (deps, { req, res, who }) => {
  const key = parseCallKey(String(req.params.id));
  const found = visibleCall(deps, who, key);
  if (key === undefined || found === undefined) return refuse('CallNotFound');
  deps.look();
  const [stored, evidence] = await Promise.all([
    deps.backend.call(key),
    deps.journal.read([...found.places].reverse()),
  ]);
  const { holders = null, exchange = null, notified = null } = stored ?? {};
  deps.log.info({ ...operatorFacts(who), call: key }, 'an operator viewed a call');
  res.json({ ...found.row, holders, exchange, notified, evidence, storeAnswered: stored !== undefined });
  return undefined;
};

/** `GET /api/holds` */
export const holds: Handler = async (deps, { res, who }) => {
  await deps.refresh();
  res.json({ holds: deps.headFor(who.tenants).holds });
  return undefined;
};

/** `GET /api/events` */
export const events: Handler = ({ hub, look }, { req, res, who }) => {
  // A response whose turn has not come does not hear of the end of its connection.
  if (res.socket === null)
    return refuse('TooManyListeners', { detail: 'an event stream needs a connection of its own' });
  if (hub.isFull) return refuse('TooManyListeners', { retryAfterMs: 10_000 });
  look();
  res.status(200).set({
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store, no-transform',
    // A proxy that buffers would hold events back.
    'X-Accel-Buffering': 'no',
  });
  res.flushHeaders();
  const lastId = req.headers['last-event-id'];
  hub.add(res, who.tenants, who.expiresAt, typeof lastId === 'string' ? lastId : undefined);
  return undefined;
};
