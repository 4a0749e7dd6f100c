import { buildConnector, fetch as undiciFetch, Agent, Pool } from 'undici';

/** Where an upstream is, and which path its own paths are below. */
export interface Base {
  readonly origin: string;
  /** Empty, or begins with a slash and does not end with one. */
  readonly path: string;
}

export function parseBase(url: string): Base {
  const { origin, pathname } = new URL(url);
  return { origin, path: pathname.replace(/\/+$/, '') };
}

const connectTimeoutMs = 5000;

/**
 * A connection that is given up is reset, not closed: what still waits in the kernel's send buffer is discarded,
 * so that a write that was cut sends nothing any more.
 */
function resettingConnector(): buildConnector.connector {
  const connect = buildConnector({ timeout: connectTimeoutMs });
  return (options, callback) => {
    connect(options, (...result) => {
      const [error, socket] = result;
      if (error === null && !('encrypted' in socket)) {
        const destroy = socket.destroy.bind(socket);
        let resetting = false;
        socket.destroy = (cause?: Error) => {
          if (cause === undefined || resetting || socket.destroyed) return destroy(cause);
          resetting = true;
          return socket.resetAndDestroy();
        };
      }
      callback(...result);
    });
  };
}

/** Keep-alive connections for ordinary traffic. undici discards a response that comes before its request. */
export const streamingPool = (origin: string): Pool =>
  new Pool(origin, {
    connections: 512,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: resettingConnector(),
  });

/** For status changes: every request gets a connection of its own, so no earlier answer can be taken for its own. */
export const exchangePool = (origin: string): Pool =>
  new Pool(origin, {
    connections: 256,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: connectTimeoutMs },
  });

/** `fetch` for key sets and token endpoints, on undici from npm rather than Node's bundled one. */
export function outboundFetch(): { readonly fetch: typeof globalThis.fetch; close(): Promise<void> } {
  const dispatcher = new Agent({ connect: { timeout: connectTimeoutMs } });
  const fetch = ((input: string | URL, init?: object) =>
    undiciFetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
  return { fetch, close: () => dispatcher.close() };
}
