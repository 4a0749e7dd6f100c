import { z } from 'zod';
import { redisEntra } from './credential.ts';
import { evidenceBacklog, listOfGuids, moment, redisUrl, sinkId, text, wholeNumber } from './shapes.ts';

/** What instances share: the store, the evidence, and the times by which they wait for each other. */
export const storeSettings = {
  redisUrl: {
    name: 'TALLYLIGHT_REDIS_URL',
    default: '',
    description:
      'The Redis that all instances share as their store. If absent, the state of calls is held in process memory, and only one instance is possible.',
    schema: redisUrl,
    secret: true,
    // Those of a password.
    braces: true,
  },
  redisEntra: {
    name: 'TALLYLIGHT_REDIS_ENTRA',
    default: '',
    description:
      'Login to Azure Managed Redis as a workload identity of Entra: `{ clientId, objectId, tenantId or tokenEndpoint, federatedTokenFile }`. `objectId` is that of the identity; the default of `federatedTokenFile` is the file that `AZURE_FEDERATED_TOKEN_FILE` names. Needs a `rediss` URL without user and password; see docs/operate/azure.md.',
    schema: redisEntra,
    structured: true,
    only: 'proxy',
  },
  redisDurability: {
    name: 'TALLYLIGHT_REDIS_DURABILITY',
    default: 'warn',
    description:
      'What to do if the configuration of Redis does not meet the table "What the store promises": log a warning (`warn`), refuse to start (`require`), or nothing (`ignore`).',
    schema: z.enum(['warn', 'require', 'ignore']),
  },
  redisNoEviction: {
    name: 'TALLYLIGHT_REDIS_NOEVICTION',
    default: 'check',
    description:
      'What to do if Redis reports its `maxmemory-policy` neither by INFO nor by CONFIG GET, as some managed services do: refuse to start (`check`), or trust you that it is `noeviction` (`vouched`). Redis with any other policy is always refused.',
    schema: z.enum(['check', 'vouched']),
  },
  redisWaitReplicas: {
    name: 'TALLYLIGHT_REDIS_WAIT_REPLICAS',
    default: '0',
    description:
      'Number of replicas that must acknowledge each state change (0 to 5). With fewer acknowledgements the store counts as unavailable.',
    schema: wholeNumber(0, 5),
  },
  evidenceDir: {
    name: 'TALLYLIGHT_EVIDENCE_DIR',
    default: '',
    description: 'Directory for the evidence. Required except in the sandbox.',
    schema: text,
  },
  evidenceMovedFrom: {
    name: 'TALLYLIGHT_EVIDENCE_MOVED_FROM',
    default: '',
    description:
      'Id (file `sink-id`) of the directory to which the evidence of this store was written before. Set it to continue in `TALLYLIGHT_EVIDENCE_DIR`; see docs/evidence/directory.md.',
    schema: sinkId,
    only: 'proxy',
  },
  evidenceBacklog: {
    name: 'TALLYLIGHT_EVIDENCE_BACKLOG',
    default: '',
    description:
      'Limits of the evidence that waits in the store to be written: `{ seconds, megabytes }`. Beyond either limit no recording starts and no write is admitted; stops are still sent. Default: 14400 seconds, and the memory of the store.',
    schema: evidenceBacklog,
    structured: true,
    only: 'proxy',
  },
  policyDir: {
    name: 'TALLYLIGHT_POLICY_DIR',
    default: '',
    description: 'Directory of the policies; default: `policies/` of the package.',
    schema: text,
  },
  observeUntil: {
    name: 'TALLYLIGHT_OBSERVE_UNTIL',
    default: '',
    description:
      'Until then the gate only observes the tenants of `TALLYLIGHT_OBSERVE_TENANTS`: a media write that the laws refuse passes and is counted. A date (from 00:00 UTC of it everything is enforced) or an RFC 3339 time, at most 30 days ahead. All instances of a store must have the same value; see docs/operate/observe.md. If absent, the laws are enforced.',
    schema: moment,
    only: 'proxy',
  },
  observeTenants: {
    name: 'TALLYLIGHT_OBSERVE_TENANTS',
    default: '',
    description:
      'Tenant ids, separated by commas or as a list, that are observed until `TALLYLIGHT_OBSERVE_UNTIL`, which requires it. For all other tenants the laws are enforced.',
    schema: listOfGuids,
    structured: true,
    only: 'proxy',
  },
  sessionTtlMs: {
    name: 'TALLYLIGHT_SESSION_TTL_MS',
    default: '5000',
    description:
      'Session TTL: how long an instance may admit media without a heartbeat confirmed by the store, ms (300 to 60000). A crashed instance delays a stop by this time.',
    schema: wholeNumber(300, 60_000),
  },
  sessionTtlMaxMs: {
    name: 'TALLYLIGHT_SESSION_TTL_MAX_MS',
    default: '',
    description:
      'Largest `TALLYLIGHT_SESSION_TTL_MS` that any instance of the store may use, ms; default: its own value. An instance with a larger value cannot join. After the store loses its data, status changes are refused for at least this time.',
    schema: wholeNumber(300, 60_000),
  },
  graphTimeoutMaxMs: {
    name: 'TALLYLIGHT_GRAPH_TIMEOUT_MAX_MS',
    default: '',
    description:
      'Largest `TALLYLIGHT_GRAPH_TIMEOUT_MS` that any instance of the store may use, ms; default: its own value. An instance with a larger value cannot join. After the store loses its data, status changes are refused for at least three times this time.',
    schema: wholeNumber(100, 60_000),
  },
  drainMs: {
    name: 'TALLYLIGHT_DRAIN_MS',
    default: '5000',
    description:
      'Drain limit: how long admitted writes may continue after a stop is requested, ms (0 to 60000), unless a policy sets another limit.',
    schema: wholeNumber(0, 60_000),
  },
  callSilenceMs: {
    name: 'TALLYLIGHT_CALL_SILENCE_MS',
    default: '3000000',
    description:
      'How long a call may be idle (no keepAlive, notification or media) before it is ended, ms (1000 to 86400000). If there is a credential, Graph is queried first.',
    schema: wholeNumber(1000, 86_400_000),
  },
  witnessGraceMs: {
    name: 'TALLYLIGHT_WITNESS_GRACE_MS',
    default: '30000',
    description:
      'How long the roster may lag behind a confirmed start or stop before the difference counts as a contradiction, ms (0 to 3600000).',
    schema: wholeNumber(0, 3_600_000),
  },
} as const;
