import { setTimeout as sleep } from 'node:timers/promises';
import type { DiscardedWrite } from '../core/http/write-guard.ts';
import { type ConnectFailed, exchangePool } from './pool.ts';

const leastMs = 1000;
const againMs = 200;
const maxConnections = 64;

/** Where a media handler is asked to discard writes. */
export interface DiscardEndpoint {
  /** Asks until the handler has agreed, has refused, or `withinMs` are over; resolves with whether it has agreed. */
  ask(write: DiscardedWrite, withinMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Each request has a connection of its own: those for media may all be waiting. */
export function connectDiscard(url: string, connectFailed?: ConnectFailed): DiscardEndpoint {
  const { origin, pathname: path } = new URL(url);
  const pool = exchangePool(origin, maxConnections, connectFailed);
  const post = async (
    { write, call, epoch, reason, stream }: DiscardedWrite,
    signal: AbortSignal,
  ): Promise<number> => {
    const { statusCode, body } = await pool.request({
      method: 'POST',
      path,
      headers: {
        'content-type': 'application/json',
        'tallylight-call': call,
        'tallylight-epoch': String(epoch),
        'tallylight-write': write,
      },
      body: JSON.stringify({ write, call, epoch, reason, stream }),
      signal,
      reset: true,
    });
    body.dump().catch(() => undefined);
    return statusCode;
  };
  return {
    async ask(write, withinMs) {
      // A handler that agrees too late is not waited for, but it may still discard.
      const signal = AbortSignal.timeout(Math.max(withinMs, leastMs));
      for (;;) {
        const status = await post(write, signal).catch(() => 0);
        if (status >= 200 && status < 300) return true;
        if (signal.aborted || (status >= 300 && status < 500)) return false;
        await sleep(againMs, undefined, { ref: false });
      }
    },
    close: () => pool.destroy(),
  };
}
