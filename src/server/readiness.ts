/**
 * Why a `recording` that is sent now could not open a gate: what it means, and what to do. The table of
 * docs/operate/readiness.md is generated from it.
 */
export const obstacles = {
  Starting: ['The instance has not started yet.', 'Wait. The log says what the instance is waiting for.'],
  ShuttingDown: ['The instance is shutting down.', 'Send traffic to another instance.'],
  StoreUnavailable: [
    'The store did not answer the last request, or is unsuitable and not used.',
    'Check Redis and the network; the text names the failure. Signalling continues; gates stay closed.',
  ],
  SessionMissing: [
    'The instance has no live session in the store, so it cannot admit media.',
    'If this persists although the store answers, see the text and the log: they say why the instance could not join.',
  ],
  StoreFresh: [
    'The store started without data, so status changes are refused (`StoreFresh`) until no earlier request can still be in progress.',
    'Wait; the text says for how long. If Redis is not new, find out why it lost its data.',
  ],
  HoldsUnknown: [
    'The store began without data, and the holds that operators set have not been read from the journal yet.',
    'Start an instance that can read the evidence directory; the text says what is in its way. Until then no gate opens.',
  ],
  KeysMissing: [
    'The signing keys of an issuer have not been fetched yet, so its tokens cannot be verified.',
    'Make the key server of the issuer that the text names reachable from this instance. The instance retries.',
  ],
  GraphCredentialUnavailable: [
    'With `jwt`: no Graph access token has been obtained yet with one of the credentials.',
    'Correct the credential, or make the token endpoint reachable from this instance; the text has the error code of Entra. The instance retries.',
  ],
  EvidenceUnwritable: [
    'This instance cannot write evidence, and no other instance is known to write it.',
    'Check the evidence directory; the text names the failure. Meanwhile records stay in the store.',
  ],
  EvidenceBacklog: [
    'The evidence in the store that is not written yet exceeds `TALLYLIGHT_EVIDENCE_BACKLOG`, so no recording starts and no write is admitted.',
    'Check the evidence directory and its disk, so that an instance can write the evidence. Meanwhile stops are still sent.',
  ],
  WorkerSilent: [
    'A worker did not answer in time.',
    'No action needed: a worker that does not answer is killed and replaced.',
  ],
  NoWorker: ['No worker is serving.', 'See the log: it says why the workers ended.'],
} as const satisfies Record<string, readonly [meaning: string, cure: string]>;

export type ObstacleCode = keyof typeof obstacles;

export interface Obstacle {
  readonly code: ObstacleCode;
  readonly text: string;
}

export interface Readiness {
  /** False once the process was asked to end. */
  readonly signalling: boolean;
  /** Whether a `recording` that is sent now could open a gate, or why not. */
  readonly gates: true | string;
  /** The same for programs; absent if nothing is in the way. */
  readonly obstacles?: readonly Obstacle[];
}

/** One condition of opening gates; undefined: it is met. */
export interface Condition {
  readonly code: ObstacleCode;
  readonly obstacle: () => string | undefined | Promise<string | undefined>;
}

export const readinessWith = (signalling: boolean, found: readonly Obstacle[]): Readiness =>
  found.length === 0
    ? { signalling, gates: true }
    : { signalling, gates: found.map(({ text }) => text).join('; '), obstacles: found };

export const shuttingDown = readinessWith(false, [{ code: 'ShuttingDown', text: 'shutting down' }]);
export const notStarted = readinessWith(false, [
  { code: 'Starting', text: 'the instance is still starting' },
]);

/** Looks at all of them at the same time. */
export async function judgeReadiness(conditions: readonly Condition[]): Promise<Readiness> {
  const found = await Promise.all(
    conditions.map(async ({ code, obstacle }): Promise<Obstacle[]> => {
      const text = await obstacle();
      return text === undefined ? [] : [{ code, text }];
    }),
  );
  return readinessWith(true, found.flat());
}
