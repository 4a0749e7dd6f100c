import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseCallKey } from '../../src/core/call/key.ts';
import { stateNames } from '../../src/core/call/state.ts';
import type { CallView, Commit } from '../../src/core/ports/call-store.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { redisStore } from '../../src/store/redis/client.ts';
import { formatNumber, keysWith } from '../../src/store/redis/keys.ts';
import { recordsOf } from '../support/evidence/history.ts';
import { runs } from '../support/depth.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { lasting } from '../support/session-times.ts';
import { virtualRedis, virtualStore } from '../support/virtual-redis/store.ts';
import { commitOn, minute, tally } from './store-fixtures.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** A store with what the commands need to remember of it; versions and clocks differ from store to store. */
interface Subject {
  readonly store: Store;
  readonly views: Map<string, CallView[]>;
  readonly commits: Commit[];
}

const calls = Array.from({ length: 3 }, () => parseCallKey(randomUUID())!);
const epochs = [0, 1, 2, 1_900_000_000_000, 1_900_000_000_001];
const call = fc.constantFrom(...calls);
const session = fc.constantFrom('one', 'two');
const epoch = fc.constantFrom(...epochs);
const state = fc.constantFrom(...stateNames);

const byName = <T extends { session: string; epoch: number }>(list: readonly T[]): T[] =>
  list.toSorted((a, b) => a.session.localeCompare(b.session) || a.epoch - b.epoch);

async function look({ store, views }: Subject, key: (typeof calls)[number]): Promise<unknown> {
  const view = await store.calls.read(key);
  const before = views.get(key) ?? [];
  views.set(key, [...before, view]);
  const { state: known } = view;
  return {
    state: known && { state: known.state, epoch: known.epoch, binding: known.binding, seq: known.seq },
    known: view.version > 0,
    moved: view.version !== before.at(-1)?.version,
    holders: byName(view.holders),
    tallies: byName(view.tallies),
  };
}

/** One command: what it did, in terms that are the same for every store. */
type Command = (subject: Subject) => Promise<unknown>;

const command: fc.Arbitrary<readonly [name: string, Command]> = fc.oneof(
  call.map((key) => ['read', (subject: Subject) => look(subject, key)] as const),
  fc
    .record({ key: call, state, epoch, dropTallies: fc.boolean(), late: fc.nat({ max: 2 }) })
    .map(({ key, late, dropTallies, ...goal }) => {
      const run: Command = async (subject) => {
        await look(subject, key);
        const views = subject.views.get(key)!;
        // 0 is what was just read; others are what was read before, or never.
        const seen = views.at(-1 - late) ?? { ...views[0]!, version: 7 };
        const plain = commitOn(seen, key, goal.state, { dropTallies });
        const commit = {
          ...plain,
          state: { ...plain.state, epoch: goal.epoch, exchange: null, openedAt: null },
        };
        subject.commits.push(commit);
        return subject.store.calls.commit(commit);
      };
      return [`commit ${goal.state}, ${late} late`, run] as const;
    }),
  fc.nat({ max: 3 }).map((back) => {
    const run: Command = async ({ store, commits }) => {
      const commit = commits.at(-1 - back);
      return commit === undefined ? 'none' : store.calls.commit(commit);
    };
    return [`commit again, ${back} back`, run] as const;
  }),
  fc.tuple(call, session).map(([key, id]) => {
    const run: Command = ({ store }) =>
      store.calls.acquire(key, id).then(
        // For how long it has been open depends on the clock.
        (held) => (held.state === 'recording' ? { ...held, openForMs: held.openForMs >= 0 } : held),
        (error: unknown) => String(error),
      );
    return [`acquire ${id}`, run] as const;
  }),
  fc
    .record({
      key: call,
      id: session,
      epoch,
      left: fc.constantFrom('drained' as const, 'unused' as const, 'lost' as const),
      bytes: fc.nat(),
    })
    .map(({ key, id, epoch: held, ...how }) => {
      const run: Command = ({ store }) => store.calls.leave(key, { session: id, epoch: held }, tally(how));
      return [`leave ${id} ${held} ${how.left}`, run] as const;
    }),
  fc
    .array(call)
    .map((keys) => [`heard ${keys.length}`, ({ store }: Subject) => store.calls.touch(keys)] as const),
  fc.nat({ max: 2 }).map((limit) => {
    // Which calls are silent longest depends on the clock; how many there are does not.
    const run: Command = async ({ store }) => (await store.calls.idle(0, limit)).length;
    return [`silent ${limit}`, run] as const;
  }),
  session.map(
    (id) => [`join ${id}`, ({ store }: Subject) => store.sessions.join(id, lasting(minute))] as const,
  ),
  session.map((id) => [`quit ${id}`, ({ store }: Subject) => store.sessions.quit(id)] as const),
  fc.tuple(session, call, epoch).map(([id, key, revoked]) => {
    const run: Command = ({ store }) => store.sessions.revoke(id, { call: key, epoch: revoked });
    return [`revoke ${id} ${revoked}`, run] as const;
  }),
  fc.tuple(session, fc.array(fc.record({ call, epoch }), { maxLength: 3 })).map(([id, done]) => {
    const run: Command = async ({ store }) => {
      const inbox = await store.sessions.heartbeat(id, done);
      return inbox === 'lost' ? inbox : inbox.toSorted((a, b) => a.call.localeCompare(b.call));
    };
    return [`heartbeat ${id}`, run] as const;
  }),
  fc.integer({ min: 1, max: 3 }).map((limit) => {
    const run: Command = async ({ store }) => {
      // Which calls come first is the store's choice; that those of one call are in order is not.
      const entries = await store.outbox.pending(limit);
      const perCall = calls.map((key) => entries.filter(({ record }) => record?.call === key));
      for (const list of perCall)
        expect(list.map(({ id }) => id)).toEqual([...new Set(list.map(({ id }) => id))]);
      return entries.length > 0;
    };
    return [`pending ${limit}`, run] as const;
  }),
  fc.tuple(session, fc.constantFrom('lease' as const, 'release' as const)).map(([id, what]) => {
    const run: Command = ({ store }) =>
      what === 'lease' ? store.outbox.lease(id, minute) : store.outbox.release(id);
    return [`${what} ${id}`, run] as const;
  }),
  fc.constant(['depth', ({ store }: Subject) => store.outbox.depth()] as const),
);

/** At the end: every record, per call, in the order of the drain. */
async function drained({ store }: Subject): Promise<unknown> {
  const perCall: Record<string, string[]> = {};
  for (;;) {
    const entries = await store.outbox.pending(2);
    if (entries.length === 0) return { perCall, depth: await store.outbox.depth() };
    for (const record of recordsOf(entries))
      (perCall[record.call] ??= []).push(`${record.seq} ${record.from} ${record.to}`);
    await store.outbox.remove(entries);
  }
}

test('memory, Redis and a virtual Redis answer every sequence of commands alike', async () => {
  const commands = fc.array(command, { minLength: 5, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const prefix = randomUUID();
      const onRedis = redisStore(redis.url, { prefix, commandTimeoutMs: 10_000 });
      const virtual = virtualRedis();
      const subjects = [memoryStore(), onRedis, virtualStore(virtual)].map((store): Subject => ({
        store,
        views: new Map(),
        commits: [],
      }));
      try {
        await onRedis.ready();
        // As if somebody had joined: that touches every part of the store, which takes its time.
        await redis.cli('set', keysWith(prefix).layout, String(formatNumber));
        virtual.command('set', keysWith('tallylight').layout, String(formatNumber));
        const answers = subjects.map((): unknown[] => []);
        for (const [index, subject] of subjects.entries()) {
          for (const [name, run] of sequence) answers[index]!.push([name, await run(subject)]);
          answers[index]!.push((await subject.store.calls.idle(0, 100)).toSorted());
          for (const key of calls) answers[index]!.push(await look(subject, key));
          answers[index]!.push(await drained(subject));
        }
        const [expected, ...others] = answers;
        for (const actual of others) expect(actual).toEqual(expected);
      } finally {
        await onRedis.close();
      }
    }),
    runs(150),
  );
});
