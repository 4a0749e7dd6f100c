import http from 'node:http';
import { text } from 'node:stream/consumers';
import type { CallRow } from '../../src/console/row.ts';
import type { ConsoleSettings } from '../../src/settings/settings.ts';

/** A console on loopback without issuers. */
export const localConsole: ConsoleSettings = { port: 0, host: '127.0.0.1', hosts: [], issuers: [] };

export interface ConsoleAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: unknown;
}

interface Asked {
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request to the API; as the page sends it, unless `headers` says otherwise. */
export async function askConsole(url: string, path: string, asked: Asked = {}): Promise<ConsoleAnswer> {
  const { method = 'GET' } = asked;
  const body =
    asked.body === undefined || typeof asked.body === 'string' ? asked.body : JSON.stringify(asked.body);
  const acts = method !== 'GET';
  const headers = {
    ...(acts ? { origin: url } : {}),
    // Node announces no body of a DELETE by itself.
    ...(body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    ...asked.headers,
  };
  const res = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const req = http.request(url + path, { method, headers, agent: false }, resolve);
    req.on('error', reject);
    req.end(body);
  });
  const answered = await text(res);
  const isJson = (res.headers['content-type'] ?? '').startsWith('application/json');
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    body: isJson ? (JSON.parse(answered) as unknown) : answered,
  };
}

/** The calls that the console shows. */
export async function callsOf(url: string, query = ''): Promise<readonly CallRow[]> {
  const { body } = await askConsole(url, `/api/calls${query}`);
  return (body as { readonly calls: readonly CallRow[] }).calls;
}

export interface ReceivedEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: unknown;
}

export interface EventStream {
  readonly status: number;
  readonly events: readonly ReceivedEvent[];
  readonly ended: Promise<void>;
  close(): void;
}

/** Listens to the events of a console. */
export async function listenToConsole(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventStream> {
  const events: ReceivedEvent[] = [];
  const res = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const req = http.get(`${url}/api/events`, { headers, agent: false }, resolve);
    req.on('error', reject);
  });
  res.setEncoding('utf8');
  let rest = '';
  res.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(part)?.[1];
      const event = field('event');
      if (event !== undefined)
        events.push({ event, id: field('id'), data: JSON.parse(field('data') ?? 'null') as unknown });
    }
  });
  const ended = new Promise<void>((resolve) => res.once('close', resolve));
  res.on('error', () => undefined);
  return { status: res.statusCode ?? 0, events, ended, close: () => res.destroy() };
}
