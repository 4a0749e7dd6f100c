import type { Redis } from 'ioredis';
import type { StoreMemory } from '../../core/ports/store.ts';

/** What a server tells of its memory; undefined: nothing that can be used. */
async function memoryOf(server: Redis): Promise<StoreMemory | undefined> {
  const info = await server.info('memory');
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)\\r?$`, 'm').exec(info)?.[1]);
  const used = field('used_memory');
  if (Number.isNaN(used)) return undefined;
  // The buffers of replicas and of the append-only file do not make Redis refuse a write.
  const uncounted = field('mem_not_counted_for_evict') || 0;
  const limit = field('maxmemory') || 0;
  return { usedBytes: Math.max(0, used - uncounted), limitBytes: limit === 0 ? undefined : limit };
}

const fullness = ({ usedBytes, limitBytes = Infinity }: StoreMemory): number => usedBytes / limitBytes;

/** Of several servers, the one that will be full first. undefined: not all tell. */
export async function fullest(servers: readonly Redis[]): Promise<StoreMemory | undefined> {
  const found = await Promise.all(servers.map(memoryOf));
  const told = found.filter((memory) => memory !== undefined);
  if (told.length < found.length) return undefined;
  return told.toSorted((a, b) => fullness(b) - fullness(a) || b.usedBytes - a.usedBytes)[0];
}
