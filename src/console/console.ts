import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { messageOf } from '../core/errors.ts';
import { watchedForMs } from '../core/ports/activity.ts';
import type { ConsoleMeter } from '../core/ports/console-meter.ts';
import type { JournalFeed, JournalListener } from '../core/ports/journal-feed.ts';
import type { Log } from '../core/ports/log.ts';
import type { OperatorVerifier } from '../core/ports/operator.ts';
import { createApp } from './api/app.ts';
import type { ApiDeps } from './api/context.ts';
import type { Place } from './api/guard.ts';
import { Sessions } from './api/sessions.ts';
import type { Backend, InstanceStatus } from './backend.ts';
import { Hub } from './events/hub.ts';
import { readPageFiles } from './page-files.ts';
import { isVisible, Projection, type Scope } from './projection/projection.ts';
import type { Head } from './row.ts';

export interface ConsoleParts {
  readonly place: Place;
  /** Why a request cannot be understood in one way only; undefined: it can. */
  readonly unfit: ApiDeps['unfit'];
  /** undefined: whoever reaches the listener may do everything. */
  readonly verifier: OperatorVerifier | undefined;
  readonly backend: Backend;
  /** Begins to read the journal. */
  readonly follow: (listener: JournalListener) => JournalFeed;
  readonly policyName: (digest: string) => string | undefined;
  readonly maxListeners: number;
  readonly meter: ConsoleMeter;
  readonly log: Log;
  readonly version: string;
  /** How long an act is waited for before it is answered as under way, ms. */
  readonly actMs?: number;
}

export interface Console {
  readonly serve: RequestListener;
  close(): Promise<void>;
}

/** How often changes are told to listeners, and how often time alone may have changed something, ms. */
const tellEveryMs = 250;
const lookEveryMs = 1000;
const statusEveryMs = 2000;
/** After an API request without a stream, live activity is heard for so long. */
const lookedForMs = 2 * watchedForMs;

const unknownStatus: InstanceStatus = {
  holds: [],
  evidence: { waiting: null, oldestSeconds: null },
  idle: [],
  observeUntil: null,
};

/** The console of an instance: its API, its events, its page. */
export function startConsole(parts: ConsoleParts): Console {
  const now = (): number => Date.now();
  const { backend, log, meter } = parts;
  const projection = new Projection({ now, policyName: parts.policyName });
  const journal = parts.follow(projection);
  meter.journal(() => journal.behindMs());
  let status = unknownStatus;
  let lookedAt = -Infinity;
  const headFor = (scope: Scope): Head => ({
    evidence: status.evidence,
    anchors: [],
    holds: status.holds.filter(({ scope: held }) => !('tenant' in held) || isVisible(scope, held.tenant)),
    ...{ enforcing: status.observeUntil === null, observeUntil: status.observeUntil },
    ...projection.count(scope),
    asOf: new Date(journal.behindMs() === 0 ? now() : projection.lastRecordAt).toISOString(),
  });
  const hub = new Hub({
    ...{ projection, headFor, maxListeners: parts.maxListeners },
    name: randomBytes(6).toString('hex'),
    report: { listeners: (count) => meter.listeners(count), cut: () => meter.listenerCut() },
  });

  const refresh = async (): Promise<void> => {
    const found = await backend.status();
    // What stood when an instance answered last still stands, as far as is known.
    status = found ?? { ...status, evidence: unknownStatus.evidence };
    projection.setHolds(status.holds);
    projection.setIdle(status.idle);
    projection.tick();
  };
  const hear = async (): Promise<void> => {
    const isWatched = hub.size > 0 || now() - lookedAt < lookedForMs;
    const batches = isWatched ? await backend.activity() : undefined;
    projection.watched(batches !== undefined);
    if (batches !== undefined && batches.length > 0) hub.tellActivity(projection.takeActivity(batches));
  };
  const timers = [
    every(tellEveryMs, () => hub.tell()),
    every(lookEveryMs, () => projection.tick()),
    regularly(lookEveryMs, hear, log),
    regularly(statusEveryMs, refresh, log),
  ];

  const app = createApp({
    place: parts.place,
    unfit: parts.unfit,
    sessions: new Sessions(parts.verifier, parts.place.tls, now),
    ...{ projection, hub, backend, journal, headFor, refresh, meter, log },
    look: () => (lookedAt = now()),
    page: readPageFiles(),
    version: parts.version,
    actMs: parts.actMs ?? 10_000,
  });
  return {
    serve: (req, res) => void app(req, res),
    async close() {
      for (const stop of timers) stop();
      hub.close();
      await journal.close();
    },
  };
}

function every(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms).unref();
  return () => clearInterval(timer);
}

/** One after the other, with a pause between. */
function regularly(ms: number, run: () => Promise<void>, log: Log): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const turn = (): void => {
    run()
      .catch((error: unknown) => log.error({ error: messageOf(error) }, 'the console could not be refreshed'))
      .finally(() => {
        if (!isOver) timer = setTimeout(turn, ms).unref();
      });
  };
  turn();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
