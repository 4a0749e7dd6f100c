import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cannotListen } from '../server/cannot-listen.ts';

export interface Place {
  /** Default 127.0.0.1: the peers of the sandbox are for this machine only. */
  readonly host?: string | undefined;
  /** Default 0: any free port. */
  readonly port?: number | undefined;
}

export interface Listening {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Listens, and closes for good: connections that are still open are destroyed. */
export async function listen(server: Server, { host = '127.0.0.1', port = 0 }: Place): Promise<Listening> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw cannotListen(
      'TALLYLIGHT_PORT (the sandbox also takes the five ports after it)',
      { host, port },
      error,
    );
  }
  const bound = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Monotonic, ms. One clock for all processes of a machine, so that the logs of several peers can be merged. */
export const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6;

/** The whole body; undefined if it is longer than the limit (bytes). Throws when the client goes away. */
export async function readBody(req: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= limit) chunks.push(chunk);
  }
  return bytes > limit ? undefined : Buffer.concat(chunks);
}

export interface Reply {
  readonly status: number;
  /** Sent as JSON; a string is sent as it is. */
  readonly body: unknown;
}

export const reply = (status: number, body: unknown): Reply => ({ status, body });

export function send(res: ServerResponse, { status, body }: Reply): void {
  const text = typeof body === 'string';
  const type = text ? 'text/plain' : 'application/json';
  res.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-store' });
  res.end(text ? body : JSON.stringify(body));
}

/** undefined: there is no text, or it is no JSON. */
export function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '') as unknown;
  } catch {
    return undefined;
  }
}
