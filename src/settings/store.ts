import { z } from 'zod';
import { evidenceBacklog, redisUrl, sinkId, text, wholeNumber } from './shapes.ts';

/** What instances share: the store, the evidence, and the times by which they wait for each other. */
export const storeSettings = {
  redisUrl: {
    name: 'TALLYLIGHT_REDIS_URL',
    default: '',
    description:
      'The store that instances share. Without it the state of calls is in the process alone, and there can be only one instance.',
    schema: redisUrl,
  },
  redisDurability: {
    name: 'TALLYLIGHT_REDIS_DURABILITY',
    default: 'warn',
    description:
      'What to do when the configuration of Redis cannot keep every promise of the table "What the store promises": say so in the log (`warn`), refuse to start (`require`), or nothing (`ignore`).',
    schema: z.enum(['warn', 'require', 'ignore']),
  },
  redisNoEviction: {
    name: 'TALLYLIGHT_REDIS_NOEVICTION',
    default: 'check',
    description:
      'What to do about a Redis that tells its `maxmemory-policy` neither by INFO nor by CONFIG GET, as some managed ones do: refuse to start (`check`), or take your word that it is `noeviction` (`vouched`). One that tells another policy is always refused.',
    schema: z.enum(['check', 'vouched']),
  },
  redisWaitReplicas: {
    name: 'TALLYLIGHT_REDIS_WAIT_REPLICAS',
    default: '0',
    description:
      'How many replicas must have a change of state before it counts (0 to 5). With fewer the store counts as unavailable.',
    schema: wholeNumber(0, 5),
  },
  evidenceDir: {
    name: 'TALLYLIGHT_EVIDENCE_DIR',
    default: '',
    description: 'Directory of the evidence; must be set, except in the sandbox.',
    schema: text,
  },
  evidenceMovedFrom: {
    name: 'TALLYLIGHT_EVIDENCE_MOVED_FROM',
    default: '',
    description:
      'The id (file `sink-id`) of the directory that the evidence of this store went to before, if it is to go on in `TALLYLIGHT_EVIDENCE_DIR`; see docs/evidence/directory.md.',
    schema: sinkId,
    only: 'proxy',
  },
  evidenceBacklog: {
    name: 'TALLYLIGHT_EVIDENCE_BACKLOG',
    default: '',
    description:
      'How much evidence may wait in the store to be made durable: `{ seconds, megabytes }`. Beyond either bound no recording starts and no write is let in; stops go on. By default 14400 seconds, and what the store has room for.',
    schema: evidenceBacklog,
    structured: true,
    only: 'proxy',
  },
  policyDir: {
    name: 'TALLYLIGHT_POLICY_DIR',
    default: '',
    description: "Directory of the policies; the package's own `policies/` if absent.",
    schema: text,
  },
  sessionTtlMs: {
    name: 'TALLYLIGHT_SESSION_TTL_MS',
    default: '5000',
    description:
      'How long an instance may admit media without hearing from the store, ms (300 to 60000). A lost instance delays a stop by this much.',
    schema: wholeNumber(300, 60_000),
  },
  sessionTtlMaxMs: {
    name: 'TALLYLIGHT_SESSION_TTL_MAX_MS',
    default: '',
    description:
      'The largest `TALLYLIGHT_SESSION_TTL_MS` that any instance of the store may have, ms; its own if absent. An instance with a larger one is not let in, and after a loss of data status changes wait for this long at least.',
    schema: wholeNumber(300, 60_000),
  },
  graphTimeoutMaxMs: {
    name: 'TALLYLIGHT_GRAPH_TIMEOUT_MAX_MS',
    default: '',
    description:
      'The largest `TALLYLIGHT_GRAPH_TIMEOUT_MS` that any instance of the store may have, ms; its own if absent. An instance with a larger one is not let in, and after a loss of data status changes wait for three times this at least.',
    schema: wholeNumber(100, 60_000),
  },
  drainMs: {
    name: 'TALLYLIGHT_DRAIN_MS',
    default: '5000',
    description:
      'How long accepted writes may go on after a stop was asked for, ms (0 to 60000), where no policy says otherwise.',
    schema: wholeNumber(0, 60_000),
  },
  callSilenceMs: {
    name: 'TALLYLIGHT_CALL_SILENCE_MS',
    default: '3000000',
    description:
      'How long nothing may be heard of a call (no keepAlive, no notification, no media) before it is ended, ms (1000 to 86400000), after asking Graph where there is a credential.',
    schema: wholeNumber(1000, 86_400_000),
  },
  witnessGraceMs: {
    name: 'TALLYLIGHT_WITNESS_GRACE_MS',
    default: '30000',
    description:
      'How long the roster may lag behind a confirmed start or stop before it counts as a contradiction, ms (0 to 3600000).',
    schema: wholeNumber(0, 3_600_000),
  },
} as const;
