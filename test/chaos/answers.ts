import { during, type Trouble } from './troubles.ts';

/** One request of a bot, as the bot timed it. */
export interface TimedAnswer {
  readonly what: 'stop' | 'keepAlive';
  readonly call: string;
  /** Which proxy it went to. */
  readonly instance: number;
  /** Monotonic, ms. */
  readonly began: number;
  readonly tookMs: number;
  /** 0: the connection broke. */
  readonly status: number;
  /** `Tallylight-Reason`. */
  readonly reason: string | undefined;
}

export interface Times {
  readonly ttlMs: number;
  readonly drainMs: number;
  readonly graphTimeoutMs: number;
}

/** What an idle machine may add, on which proxies, store, Graph, bots and this harness share few processors, ms. */
export const slackMs = 1500;
/** A stop waits for this process, for a proxy and for the store; the others are held up as much as this one can measure. */
const processesInTurn = 3;
/** After this the store's client takes a command for failed, ms. */
const storeCommandMs = 1000;
/** How many commands in a row a stop may wait for in vain: looking, telling the holders, giving way. */
const storeCommands = 4;
/** What a proxy may answer of its own while the store is away: how it fared with Graph. */
const graphReasons = ['GraphTimeout', 'GraphUnreachable', 'GraphCredentialUnavailable'];

export interface Judgement {
  readonly problems: readonly string[];
  /** How many stops, and requests while the store was away, no fault excused. */
  readonly stops: number;
  readonly signals: number;
  /** How near the slowest stop came to its bound, ms. */
  readonly leastMarginMs: number;
}

/** (c) Stops are answered within the bound; (d) signalling is answered while the store is away. */
export function judgeAnswers(
  answers: readonly TimedAnswer[],
  troubles: readonly Trouble[],
  times: Times,
  lateMs: (from: number, until: number) => number = () => 0,
): Judgement {
  const problems: string[] = [];
  let [stops, signals, leastMarginMs] = [0, 0, Infinity];
  for (const answer of answers) {
    const { what, instance, began, tookMs } = answer;
    const meanwhile = during(troubles, began, began + tookMs);
    if (meanwhile.some(({ instances }) => instances?.includes(instance))) continue;
    const heldUpMs = processesInTurn * lateMs(began, began + tookMs);
    if (what === 'stop') {
      stops += 1;
      const boundMs = boundOf(answer, troubles, times) + heldUpMs;
      leastMarginMs = Math.min(leastMarginMs, Math.round(boundMs - tookMs));
      problems.push(...lateStop(answer, boundMs));
    } else if (wasAway(answer, meanwhile)) {
      signals += 1;
      problems.push(...lostSignal(answer, times.graphTimeoutMs + slackMs + heldUpMs));
    }
  }
  return { problems, stops, signals, leastMarginMs };
}

/** Of a stop, as docs/design/protocol.md states it, and what the peers and this machine add. */
function boundOf(
  { instance, began, tookMs }: TimedAnswer,
  troubles: readonly Trouble[],
  { ttlMs, drainMs, graphTimeoutMs }: Times,
): number {
  const lately = during(troubles, began - 2 * ttlMs, began + tookMs);
  const storeAway = lately.some((trouble) => withoutStore(trouble, instance));
  const sessionsLost =
    storeAway || lately.some(({ instances = [], storeOf = [] }) => instances.length + storeOf.length > 0);
  return (
    drainMs +
    ttlMs +
    (sessionsLost ? ttlMs : 0) +
    2 * graphTimeoutMs +
    (storeAway ? storeCommands * storeCommandMs : 0) +
    slackMs
  );
}

function* lateStop({ call, instance, tookMs, status }: TimedAnswer, boundMs: number): Iterable<string> {
  if (status === 0) yield `a stop of call ${call} was never answered by proxy ${instance}`;
  else if (tookMs > boundMs)
    yield `proxy ${instance} answered a stop of call ${call} with ${status} after ${Math.round(tookMs)} ms, the bound is ${Math.round(boundMs)}`;
}

const withoutStore = ({ store = false, storeOf = [] }: Trouble, instance: number): boolean =>
  store || storeOf.includes(instance);

const wasAway = ({ instance, began, tookMs }: TimedAnswer, meanwhile: readonly Trouble[]): boolean =>
  meanwhile.some(
    (trouble) => withoutStore(trouble, instance) && trouble.from <= began && began + tookMs <= trouble.until,
  );

function* lostSignal(
  { call, instance, tookMs, status, reason }: TimedAnswer,
  boundMs: number,
): Iterable<string> {
  const told = `proxy ${instance} answered a keepAlive of call ${call} while the store was away`;
  if (status === 0) yield `${told} with nothing`;
  else if (reason !== undefined && !graphReasons.includes(reason)) yield `${told} with ${status} ${reason}`;
  else if (tookMs > boundMs)
    yield `${told} after ${Math.round(tookMs)} ms, the bound is ${Math.round(boundMs)}`;
}
