/** Names of the events of `GET /api/events`. */
export type EventName = 'snapshot' | 'calls' | 'activity' | 'head';

/** One server-sent event. JSON text has no line breaks of its own. */
export const eventMessage = (event: EventName, data: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** Keeps proxies and clients from taking a quiet stream for a dead one. */
export const keepAliveMessage = ': keep-alive\n\n';
