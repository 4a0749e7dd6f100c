import { parseCallKey } from '../../core/call/key.ts';
import { isRecord, parseJsonText } from '../../core/json.ts';
import type { ActivityBatch, ActivityFeed, CallActivity } from '../../core/ports/activity.ts';
import { type ReasonCode, reasons } from '../../core/reasons.ts';
import type { Connection } from './connection.ts';
import type { Keys } from './keys.ts';
import type { WakeUps } from './wake.ts';

/** The feed on publish/subscribe; nothing of it is stored. */
export function redisActivity(connection: Connection, keys: Keys, wakeUps: WakeUps): ActivityFeed {
  return {
    watch: async () => {
      await connection.command('publish', keys.watched, '');
    },
    onWatch: (receive) =>
      wakeUps.on(keys.watched, (message) => {
        if (message !== undefined) receive();
      }),
    publish: async (batch) => {
      await connection.command('publish', keys.activity, JSON.stringify(batch));
    },
    onActivity: (receive) =>
      wakeUps.on(keys.activity, (message) => {
        const batch = message === undefined ? undefined : batchIn(message);
        if (batch !== undefined) receive(batch);
      }),
  };
}

/** Whoever may publish in Redis may write anything; undefined: it is no batch. */
function batchIn(message: string): ActivityBatch | undefined {
  const read = parseJsonText(message);
  if (!isRecord(read) || typeof read.instance !== 'string' || !Array.isArray(read.calls)) return undefined;
  return { instance: read.instance, calls: read.calls.flatMap(callIn) };
}

function callIn(value: unknown): CallActivity[] {
  if (!isRecord(value) || typeof value.call !== 'string') return [];
  const call = parseCallKey(value.call);
  const { writes, bytes, refused } = value;
  if (call === undefined || !isCount(writes) || !isCount(bytes) || !isCount(refused)) return [];
  return [
    {
      call,
      ...{ writes, bytes, refused },
      lastRefusal: isReason(value.lastRefusal) ? value.lastRefusal : null,
      total: totalIn(value.total),
    },
  ];
}

function totalIn(value: unknown): CallActivity['total'] {
  if (!isRecord(value)) return null;
  const { epoch, writes, bytes } = value;
  return isCount(epoch) && isCount(writes) && isCount(bytes) ? { epoch, writes, bytes } : null;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isReason = (value: unknown): value is ReasonCode =>
  typeof value === 'string' && Object.hasOwn(reasons, value);
