import { resolve } from 'node:path';
import { redisEntraLogin } from '../auth/redis-login.ts';
import type { Fetch } from '../auth/fetch.ts';
import { inspectRedis } from '../store/redis/inspect.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { readSinkId } from './evidence.ts';
import { doubtful, type Finding, right, wrong } from './finding.ts';

const setting = 'TALLYLIGHT_REDIS_URL';

/** Clocks this far apart make the times in the log and in the evidence hard to compare. */
export const toleratedSkewMs = 2000;
const fullShare = 0.8;

/** Whether the store can be used, what it promises, and whether an instance with these settings may join it. */
export async function checkRedis(settings: ProxySettings, fetch: Fetch): Promise<readonly Finding[]> {
  const { redisUrl, redisDurability = 'warn', redisNoEviction = 'check', redisWaitReplicas = 0 } = settings;
  if (redisUrl === undefined)
    return [
      doubtful(
        setting,
        'is not set, so the state of calls is in one process and lost with it',
        'Set it for anything but a trial',
      ),
    ];
  const { sessionTtlMs: ttlMs, sessionTtlMaxMs: ttlMaxMs, graphTimeoutMs, graphTimeoutMaxMs } = settings;
  const { observation } = settings;
  const found = await inspectRedis(redisUrl, {
    eviction: redisNoEviction,
    waitReplicas: redisWaitReplicas,
    login: settings.redisEntra === undefined ? undefined : redisEntraLogin(settings.redisEntra, fetch),
    times: { ttlMs, ttlMaxMs, graphTimeoutMs, graphTimeoutMaxMs, observation },
  });
  if (!found.reached) return [wrong('notReady', setting, found.why, found.cure)];
  const { versions, unsuitable, doubts, misfits, aheadMs, usedShare, sink } = found;
  const cure = 'Change the configuration of Redis; docs/operate/redis.md says what each deployment keeps';
  return [
    ...(unsuitable.length === 0 ? [right(setting, `Redis ${versions.join(', ')} answers`)] : []),
    ...unsuitable.map((why) => wrong('cannotStart', setting, why, cure)),
    ...(redisDurability === 'ignore' ? [] : doubts).map((doubt) =>
      redisDurability === 'require'
        ? wrong('cannotStart', setting, `the store does not give all guarantees: ${doubt}`, cure)
        : doubtful(setting, `the store does not give all guarantees: ${doubt}`, cure),
    ),
    ...misfits.map((why) => misfit(why)),
    ...(Math.abs(aheadMs) > toleratedSkewMs
      ? [
          doubtful(
            setting,
            `the clock of Redis is ${Math.abs(aheadMs)} ms ${aheadMs > 0 ? 'ahead of' : 'behind'} the clock of this machine`,
            'Synchronise both by NTP',
          ),
        ]
      : []),
    ...(usedShare !== undefined && usedShare > fullShare
      ? [
          doubtful(
            setting,
            `${Math.round(usedShare * 100)} % of the memory of Redis are used; when it is full no recording starts`,
            'Raise maxmemory, or find out why evidence waits',
          ),
        ]
      : []),
    ...(await checkSink(settings, sink)),
  ];
}

const misfit = (why: string): Finding =>
  wrong(
    'notReady',
    why.startsWith('TALLYLIGHT_') ? (why.split(' ', 1)[0] ?? setting) : setting,
    `this instance could not join the others: ${why}`,
    'Give all instances of a store the same build, the same times and the same observation',
  );

/** The evidence of a store goes to one directory. */
async function checkSink(
  { evidenceDir, evidenceMovedFrom }: ProxySettings,
  claimed: string | undefined,
): Promise<readonly Finding[]> {
  if (claimed === undefined) return [];
  const mine = await readSinkId(resolve(evidenceDir));
  if (mine === claimed || claimed === evidenceMovedFrom) return [];
  return [
    wrong(
      'notReady',
      'TALLYLIGHT_EVIDENCE_DIR',
      `the evidence of this store is written to another directory (sink ${claimed}, not ${mine ?? 'a new one'}), so this instance would write none`,
      `Name that directory, which all instances share; or, to continue here, set TALLYLIGHT_EVIDENCE_MOVED_FROM=${claimed}`,
    ),
  ];
}
