import type { LogEntry } from '../../src/sandbox/graph/log.ts';
import type { TimedAnswer } from './answers.ts';
import type { Try } from './bots.ts';
import { during, type Trouble } from './troubles.ts';

export interface Evidence {
  readonly answers: readonly TimedAnswer[];
  readonly tries: ReadonlyMap<string, Try>;
  /** The names of the writes of which the media handler stored something. */
  readonly stored: ReadonlySet<string>;
  readonly troubles: readonly Trouble[];
  /** What Graph was asked. */
  readonly log: readonly Pick<LogEntry, 'call' | 'asked' | 'receivedAt'>[];
  /** The longest that a session lives, ms. */
  readonly ttlMs: number;
  /** How much later than it had to this process came to run, ms. */
  readonly lateMs: (from: number, until: number) => number;
}

export interface Judgement {
  readonly problems: readonly string[];
  /** How many writes were judged, of each kind. */
  readonly afterStops: number;
  readonly whileFull: number;
}

/** Answers that an instance gives before it has found out who asks for what. */
const unheard = ['CannotVerify', 'ShuttingDown', 'TooManyConnections', 'TooManySignals', 'BodyTimeout'];
/** What network and processes may take on an idle machine, ms. */
const slackMs = 500;
/** The longest that something takes from a bot to a proxy where nobody says that the way is troubled, ms. */
const onTheWayMs = 1500;

const undashed = (id: string): string => id.replaceAll('-', '').toLowerCase();

/**
 * Rule R6. An instance that has answered a stop lets nothing more of that call in, whatever the answer was, until a later
 * recording; and while the store is full nothing is let in anywhere for longer than a session lives.
 */
export function judgeStops(evidence: Evidence): Judgement {
  const { answers, tries, stored, troubles, log, ttlMs, lateMs } = evidence;
  const problems: string[] = [];
  let [afterStops, whileFull] = [0, 0];
  const starts = new Map<string, number[]>();
  for (const { call, asked, receivedAt } of log) {
    if (asked !== 'recording' || call === null) continue;
    starts.set(undashed(call), [...(starts.get(undashed(call)) ?? []), receivedAt]);
  }
  const stops = new Map<string, TimedAnswer[]>();
  for (const answer of answers) {
    const { what, status, reason = '', call } = answer;
    if (what !== 'stop' || status < 500 || unheard.includes(reason)) continue;
    stops.set(undashed(call), [...(stops.get(undashed(call)) ?? []), answer]);
  }
  const full = troubles.filter(({ full: isFull = false }) => isFull);

  for (const [name, { call, instance, began }] of tries) {
    const key = undashed(call);
    const isStored = stored.has(name);
    // It may wait on its way.
    const arrived = began + onTheWayMs + lateMs(began, began + onTheWayMs);
    const heard = (stops.get(key) ?? []).find(
      (stop) =>
        stop.instance === instance &&
        stop.began + stop.tookMs < began &&
        // Another process has heard nothing.
        !during(troubles, stop.began, arrived).some(({ instances }) => instances?.includes(instance)) &&
        !(starts.get(key) ?? []).some((at) => stop.began < at && at < arrived),
    );
    if (heard !== undefined) {
      afterStops += 1;
      if (isStored)
        problems.push(
          `proxy ${instance} let ${name} of call ${key} in, though it had answered a stop with ${heard.status} ${heard.reason ?? ''} before`,
        );
    }
    const isLongFull = full.some(
      ({ from, until }) => from + ttlMs + slackMs + lateMs(from, began) < began && arrived < until,
    );
    if (
      isLongFull &&
      !during(troubles, began, arrived).some(({ instances }) => instances?.includes(instance))
    ) {
      whileFull += 1;
      if (isStored) problems.push(`proxy ${instance} let ${name} of call ${key} in while the store was full`);
    }
  }
  return { problems, afterStops, whileFull };
}
