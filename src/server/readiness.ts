/**
 * Why a `recording` that is sent now could not open a gate: what it means, and what to do. The table of
 * docs/operate/readiness.md is generated from it.
 */
export const obstacles = {
  Starting: ['The instance has not started yet.', 'Wait. The log says what the start waits for.'],
  ShuttingDown: ['The instance was told to end.', 'Nothing: send traffic to another instance.'],
  StoreUnavailable: [
    'The store did not answer a moment ago, or is refused as unsuitable.',
    'Look at Redis and the network; the text says what failed. Signalling goes on, gates stay closed.',
  ],
  SessionMissing: [
    'The instance has no live session in the store, so that nothing can be admitted.',
    'If it lasts while the store answers, the text and the log say why the store did not take the instance.',
  ],
  StoreFresh: [
    'The store began without data, so status changes are refused (`StoreFresh`) until nothing from before can be under way any more.',
    'Wait: the text says for how long. If Redis was not new, find out why it lost its data.',
  ],
  KeysMissing: [
    'The keys of an issuer have not been fetched since the start, so its tokens cannot be verified.',
    'Let the instance reach the key server that the text names. It is asked again and again.',
  ],
  GraphCredentialUnavailable: [
    'With `jwt`: no Graph token has been obtained since the start for one of the credentials.',
    'Correct the credential or let the instance reach the token endpoint; the text has the code that Entra answered. It is asked again and again.',
  ],
  EvidenceUnwritable: [
    'Evidence cannot be written by this instance, and no other is known to write it.',
    'Look at the evidence directory; the text says what failed. Records stay in the store meanwhile.',
  ],
  EvidenceBacklog: [
    'More evidence waits in the store, or for longer, than `TALLYLIGHT_EVIDENCE_BACKLOG` allows, so nothing new is recorded.',
    'Let an instance write the evidence: look at the evidence directory and its disk. Stops go through meanwhile.',
  ],
  WorkerSilent: [
    'A worker did not answer in time.',
    'Nothing: one that goes on to give no answer is killed and replaced.',
  ],
  NoWorker: ['No worker serves.', 'The log says why the workers ended.'],
} as const satisfies Record<string, readonly [meaning: string, cure: string]>;

export type ObstacleCode = keyof typeof obstacles;

export interface Obstacle {
  readonly code: ObstacleCode;
  readonly text: string;
}

export interface Readiness {
  /** False once the process was told to end. */
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
export const notStarted = readinessWith(false, [{ code: 'Starting', text: 'the start is not over' }]);

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
