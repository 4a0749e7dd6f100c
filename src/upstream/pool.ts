import { createConnection, type Socket } from 'node:net';
import { buildConnector, fetch as undiciFetch, Agent, Client, Pool, type Dispatcher } from 'undici';

/** Where an upstream is, and which path its own paths are below. */
export interface UpstreamBase {
  readonly origin: string;
  /** Empty, or begins with a slash and does not end with one. */
  readonly path: string;
}

export function parseUpstreamUrl(url: string): UpstreamBase {
  const { origin, pathname } = new URL(url);
  return { origin, path: pathname.replace(/\/+$/, '') };
}

const connectTimeoutMs = 5000;

/**
 * A connection that is given up is reset, not closed: what still waits in the kernel's send buffer is discarded, so
 * that a write that was cut, or a status change that was given up, sends nothing any more. Under TLS it is the
 * socket below that must be reset, so that one is made here.
 */
function resettingConnector(): buildConnector.connector {
  const connect = buildConnector({ timeout: connectTimeoutMs });
  return (options, callback) => {
    if (options.protocol !== 'https:') {
      connect(options, resetWhenGivenUp(undefined, callback));
      return;
    }
    const { hostname, protocol, port } = options;
    const below = createConnection({ host: hostname, port: Number(port || 443) });
    const timer = setTimeout(() => below.destroy(new ConnectTimeout()), connectTimeoutMs);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      callback(error, null);
    };
    below.once('error', failed);
    below.once('connect', () => {
      clearTimeout(timer);
      below.off('error', failed);
      // Without `servername`, which undici takes from the Host header of a request: whose certificate counts is not for a
      // client to say.
      connect(
        { hostname, host: hostname, protocol, port, httpSocket: below },
        resetWhenGivenUp(below, callback),
      );
    });
  };
}

/** Called with the error of each connection that could not be made. */
export type ConnectFailed = (error: unknown) => void;

const reportingFailures =
  (connect: buildConnector.connector, failed: ConnectFailed = () => undefined): buildConnector.connector =>
  (options, callback) =>
    connect(options, (...result) => {
      if (result[0] !== null) failed(result[0]);
      callback(...result);
    });

class ConnectTimeout extends Error {
  readonly code = 'UND_ERR_CONNECT_TIMEOUT';
}

function resetWhenGivenUp(
  below: Socket | undefined,
  callback: buildConnector.Callback,
): buildConnector.Callback {
  return (...result) => {
    const [error, socket] = result;
    if (error === null) {
      const destroy = socket.destroy.bind(socket);
      let resetting = false;
      socket.destroy = (cause?: Error) => {
        if (cause === undefined || resetting || socket.destroyed) return destroy(cause);
        resetting = true;
        if (below === undefined) return socket.resetAndDestroy();
        below.resetAndDestroy();
        return destroy(cause);
      };
    }
    callback(...result);
  };
}

/** Keep-alive connections for ordinary traffic. undici discards a response that comes before its request. */
export const streamingPool = (origin: string, connections: number, failed?: ConnectFailed): Pool =>
  pool(origin, connections, failed);

/** For status changes: every request asks for a connection of its own, so no earlier answer can be taken for its own. */
export const exchangePool = (origin: string, connections: number, failed?: ConnectFailed): Pool =>
  pool(origin, connections, failed);

const pool = (origin: string, connections: number, failed?: ConnectFailed): Pool =>
  new Pool(origin, {
    connections,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: reportingFailures(resettingConnector(), failed),
    factory: (url, options: Client.Options) => new Connection(url, options),
  });

/** A request can ask how many of its bytes still wait in this process, once it has a connection. */
export interface Outgoing extends Dispatcher.DispatchOptions {
  readonly onConnection?: (unsentBytes: () => number) => void;
}

/** One connection at a time, and one request at a time on it. */
class Connection extends Client {
  readonly #unsentBytes: () => number;
  /** The same for all requests, or undici would connect anew where their Host headers differ. */
  readonly #servername: string;

  constructor(origin: URL | string, options: Client.Options) {
    const { connect } = options;
    const now: { socket?: Socket } = {};
    const remembering: buildConnector.connector = (target, callback) => {
      (connect as buildConnector.connector)(target, (...result) => {
        if (result[0] === null) now.socket = result[1];
        callback(...result);
      });
    };
    super(origin, { ...options, connect: remembering });
    this.#servername = new URL(origin).hostname;
    this.#unsentBytes = () => now.socket?.writableLength ?? 0;
  }

  override dispatch(options: Outgoing, handler: Dispatcher.DispatchHandler): boolean {
    options.onConnection?.(this.#unsentBytes);
    return super.dispatch({ ...options, servername: this.#servername } as Outgoing, handler);
  }
}

/** `fetch` for key sets and token endpoints, on undici from npm rather than Node's bundled one. */
export function outboundFetch(): { readonly fetch: typeof globalThis.fetch; close(): Promise<void> } {
  const dispatcher = new Agent({ connect: { timeout: connectTimeoutMs } });
  const fetch = ((input: string | URL, init?: object) =>
    undiciFetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
  return { fetch, close: () => dispatcher.close() };
}
