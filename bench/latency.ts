import { Bot, newCall } from './bot.ts';
import { startInstance, type TestBed, type Instance } from './test-bed.ts';
import { cpuMs } from './processes.ts';

/**
 * What the proxy adds to an answer of Graph, ms: each request through the proxy is paired with the same one straight to
 * Graph, right before or after it, and the difference of the two is what is ranked.
 */
export interface Added {
  readonly pairs: number;
  readonly p50: number;
  readonly p99: number;
  /** Of the two sides alone. */
  readonly proxied: { readonly p50: number; readonly p99: number };
  readonly direct: { readonly p50: number; readonly p99: number };
}

export const quantile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? NaN;

type Side = () => Promise<void>;

async function timed(run: Side): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

/** Runs pairs, the two sides in turn first; `prepare` makes each pair anew. */
async function paired(
  pairs: number,
  prepare: (index: number) => Promise<{ readonly proxied: Side; readonly direct: Side }>,
): Promise<Added> {
  const proxied: number[] = [];
  const direct: number[] = [];
  // As many again come first, for compilers and connections.
  const warm = pairs;
  for (let n = -warm; n < pairs; n += 1) {
    const sides = await prepare(n + warm);
    const proxiedFirst = n % 2 === 0;
    const first = await timed(proxiedFirst ? sides.proxied : sides.direct);
    const second = await timed(proxiedFirst ? sides.direct : sides.proxied);
    if (n < 0) continue;
    proxied.push(proxiedFirst ? first : second);
    direct.push(proxiedFirst ? second : first);
  }
  const added = proxied.map((time, n) => time - (direct[n] ?? 0));
  const both = (values: readonly number[]): { p50: number; p99: number } => ({
    p50: quantile(values, 0.5),
    p99: quantile(values, 0.99),
  });
  return { pairs, ...both(added), proxied: both(proxied), direct: both(direct) };
}

/** Signalling: GETs of a call and keepAlives in turn. */
export async function signallingAdded(testBed: TestBed, { url }: Instance, pairs: number): Promise<Added> {
  const { graph } = testBed;
  const call = await newCall(graph.url);
  const proxied = new Bot(url, graph.token);
  const direct = new Bot(graph.url, graph.graphToken);
  const path = `/v1.0/communications/calls/${call}`;
  try {
    return await paired(pairs, (n) => {
      const ask = (bot: Bot) => () =>
        n % 4 < 2 ? bot.send('GET', path) : bot.send('POST', `${path}/keepAlive`, {});
      return Promise.resolve({ proxied: ask(proxied), direct: ask(direct) });
    });
  } finally {
    await Promise.all([proxied.close(), direct.close()]);
  }
}

/** Stops of calls of which every instance holds the grant, with nothing in flight. */
export async function stopAdded(
  testBed: TestBed,
  instances: readonly Instance[],
  pairs: number,
): Promise<Added> {
  const { graph } = testBed;
  const bots = instances.map(({ url }) => new Bot(url, graph.token));
  const direct = new Bot(graph.url, graph.graphToken);
  const [first] = bots;
  if (first === undefined) throw new Error('no instance');
  try {
    return await paired(pairs, async () => {
      const [here, there] = await Promise.all([newCall(graph.url), newCall(graph.url)]);
      await first.startRecording(here);
      await direct.report(there, 'recording');
      for (const bot of bots) await bot.upload(here);
      return {
        proxied: () => first.report(here, 'notRecording'),
        direct: () => direct.report(there, 'notRecording'),
      };
    });
  } finally {
    await Promise.all([...bots, direct].map((bot) => bot.close()));
  }
}

export interface Cycles {
  /** Of the proxy, ms on a processor for a start, a write and a stop. */
  readonly cpuPerCycle: number;
  readonly perSecond: number;
}

/** Full cycles of 16 calls at a time, one after another on each. */
export async function cycles(
  testBed: TestBed,
  { url, process: { pid } }: Instance,
  seconds: number,
): Promise<Cycles> {
  const { graph } = testBed;
  const calls = await Promise.all(Array.from({ length: 16 }, () => newCall(graph.url)));
  const bots = calls.map(() => new Bot(url, graph.token));
  await bots[0]?.startRecording(calls[0] ?? '');
  let done = 0;
  const until = performance.now() + seconds * 1000;
  const [began, cpuBefore] = [performance.now(), cpuMs(pid)];
  await Promise.all(
    bots.map(async (bot, n) => {
      const call = calls[n] ?? '';
      while (performance.now() < until) {
        await bot.report(call, 'recording');
        await bot.upload(call);
        await bot.report(call, 'notRecording');
        done += 1;
      }
    }),
  );
  const cpuPerCycle = (cpuMs(pid) - cpuBefore) / done;
  const perSecond = (done * 1000) / (performance.now() - began);
  await Promise.all(bots.map((bot) => bot.close()));
  return { cpuPerCycle, perSecond };
}

/** So many instances on the test bed's store. */
export const startInstances = (testBed: TestBed, node: string, count: number): Promise<Instance[]> =>
  Promise.all(Array.from({ length: count }, () => startInstance(testBed, { node })));
