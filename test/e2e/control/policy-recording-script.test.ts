import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bot, type Reply } from '../../../src/sandbox/bot/bot.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;

beforeAll(async () => {
  world = await startWorld({ notifications: true });
  world.graph.notifications.set('hold');
});

afterAll(async () => {
  await world.close();
});

/** One run of the script: a bot, its call, and what the media handler of the sample keeps sending. */
class Run {
  readonly bot: Bot;
  readonly answers: Reply[] = [];

  constructor(bot: Bot) {
    this.bot = bot;
  }

  get #held(): World['graph']['notifications']['held'] {
    return world.graph.notifications.held.filter(({ call }) => call === this.bot.call);
  }

  /** Graph delivers the oldest notification of this kind that it has made and held back, if there is one. */
  async notified(what: RegExp): Promise<void> {
    const found = this.#held.find((made) => what.test(made.what));
    if (found === undefined) return;
    world.graph.notifications.release([found.id]);
    await eventually(() =>
      world.graph.deliveries.some(({ id, status }) => id === found.id && status !== null),
    );
  }

  /** Whatever Graph has still held back, in its order. */
  async drain(): Promise<void> {
    const ids = this.#held.map(({ id }) => id);
    world.graph.notifications.release(ids);
    await eventually(() =>
      ids.every((wanted) =>
        world.graph.deliveries.some(({ id, status }) => id === wanted && status !== null),
      ),
    );
  }

  async report(status: string): Promise<void> {
    this.answers.push(await this.bot.report(status));
  }

  async frame(): Promise<void> {
    this.answers.push(await this.bot.upload(`frame-${this.answers.length}`, 640));
  }
}

const callbackUri = (): string => `${world.proxy.url}/callbacks/7/calling`;

type Step = readonly [name: string, (run: Run) => Promise<unknown>];

// The order of notifications and requests of Microsoft's public policy-recording sample: the media handler subscribes
// when the call appears, the status is sent on established, flips every five minutes, and at last the observed
// participant is removed.
const script: readonly Step[] = [
  ['incoming', (run) => run.notified(/incoming/)],
  ['answer', (run) => run.bot.post('answer', { callbackUri: callbackUri(), acceptedModalities: ['audio'] })],
  ['media before established', (run) => run.frame()],
  ['establishing', (run) => run.notified(/establishing/)],
  ['established', (run) => run.notified(/established/)],
  ['recording', (run) => run.report('recording')],
  ['media while recording', (run) => run.frame()],
  ['the roster shows it', (run) => run.notified(/participants/)],
  ['keepAlive', (run) => run.bot.post('microsoft.graph.keepAlive')],
  ['notRecording', (run) => run.report('notRecording')],
  ['media after the stop', (run) => run.frame()],
  ['the roster shows the stop', (run) => run.notified(/participants/)],
  ['recording again', (run) => run.report('recording')],
  ['media while recording again', (run) => run.frame()],
  ['failed', (run) => run.report('failed')],
  ['media after the failure', (run) => run.frame()],
  ['the observed participant is removed', removeObserved],
  ['the conversation ends', endOfConversation],
  ['terminating', (run) => run.notified(/terminating/)],
  ['terminated', (run) => run.notified(/terminated/)],
  ['media after the end', (run) => run.frame()],
];

function endOfConversation(run: Run): Promise<void> {
  world.graph.endCall(run.bot.call);
  return Promise.resolve();
}

async function removeObserved(run: Run): Promise<void> {
  const { body } = await run.bot.get('participants');
  const [observed] = (JSON.parse(body) as { value?: { id: string }[] }).value ?? [];
  if (observed !== undefined) await run.bot.remove(`participants/${observed.id}`);
}

async function play(steps: readonly Step[]): Promise<Run> {
  const run = new Run(new Bot(world.proxy.url, await world.mint.mint(), world.graph.incomingCall()));
  for (const [, step] of steps) await step(run);
  await run.drain();
  return run;
}

const undashed = (id: string | null): string => (id ?? '').replaceAll('-', '').toLowerCase();

/** What only Graph and the media sink saw: when recording was confirmed and when its stop was received. */
function confirmed(call: string): { from: number; to: number }[] {
  const intervals: { from: number; to: number }[] = [];
  for (const entry of world.graph.log) {
    if (undashed(entry.call) !== undashed(call) || entry.action !== 'updateRecordingStatus') continue;
    const open = intervals.at(-1);
    if (entry.asked === 'recording' && entry.answered === 200) {
      if (open === undefined || open.to < Infinity)
        intervals.push({ from: entry.answeredAt ?? Infinity, to: Infinity });
    } else if (open?.to === Infinity) open.to = entry.receivedAt;
  }
  return intervals;
}

/** Both laws, by the clocks of Graph and of the sink alone. */
function expectLawful({ bot }: Run): void {
  const writes = world.sink.received.filter(({ callId }) => undashed(callId) === undashed(bot.call));
  const allowed = confirmed(bot.call);
  const outside = writes.filter(
    ({ startedAt, endedAt }) =>
      !allowed.some(({ from, to }) => from <= startedAt && (endedAt ?? Infinity) <= to),
  );
  expect(outside).toEqual([]);
}

/** The call is over for everybody, and each notification reached the bot once. */
async function expectOver({ bot }: Run): Promise<void> {
  await eventually(async () => (await bot.report('recording')).headers['tallylight-reason'] === 'CallEnded', {
    what: 'the end of the call is known',
  });
  expect((await bot.upload('late', 640)).status).toBe(403);
  const bodies = world.callbackBot.received.filter(({ body }) => undashed(body).includes(undashed(bot.call)));
  const delivered = world.graph.deliveries.filter(({ call }) => call === bot.call);
  expect(delivered.map(({ status }) => status)).toEqual(delivered.map(() => 202));
  expect(bodies).toHaveLength(delivered.length);
}

const swaps = script.slice(1).map((_, index) => {
  const steps = [...script];
  const [one, other] = [script[index]!, script[index + 1]!];
  steps.splice(index, 2, other, one);
  return { name: `"${other[0]}" before "${one[0]}"`, steps };
});

describe('the script of the public policy-recording sample, through both listeners', () => {
  test('in its order: what was confirmed is kept, and nothing else', async () => {
    const run = await play(script);
    expectLawful(run);
    const statuses = run.answers.map(({ status }) => status);
    expect(statuses).toEqual([403, 200, 201, 200, 403, 200, 201, 200, 403, 403]);
    const told = world.graph.deliveries.filter(({ call }) => call === run.bot.call).map(({ what }) => what);
    const calls = ['created incoming', 'updated establishing', 'updated established'];
    const rosters = ['updated participants', 'updated participants'];
    const end = ['updated terminating', 'deleted terminated'];
    // The sample reads two rosters; the rest comes when the call is over.
    expect(told).toEqual([...calls, ...rosters, ...end, ...rosters, 'updated participants']);
    await expectOver(run);
  });

  test.each(swaps)('with $name', async ({ steps }) => {
    const run = await play(steps);
    expectLawful(run);
    await expectOver(run);
  });

  test('ended by Graph while it records: the gate closes without a word from the bot', async () => {
    const end = script.findIndex(([name]) => name === 'failed');
    const last = script.findIndex(([name]) => name === 'the conversation ends');
    const run = await play([...script.slice(0, end), ...script.slice(last)]);
    expect(run.answers.at(-1)?.status).toBe(403);
    await expectOver(run);
  });

  test('and the evidence of all these calls fits', async () => {
    const { misfit, intervals } = await world.closeAndVerify();
    expect(misfit).toBeNull();
    expect(intervals).toBeGreaterThan(swaps.length);
  });
});
