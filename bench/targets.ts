import { ratios, spread, type Measured, type Spread, type WorkloadResult } from './results.ts';

/** A promise about speed or size, and what came of it. */
export interface TargetLine {
  readonly what: string;
  readonly target: string;
  /** undefined: not measured in this run. */
  readonly measured?: Spread | undefined;
  /** What the numbers are; absent: a ratio. */
  readonly unit?: string;
  readonly met?: boolean | undefined;
  readonly note?: string | undefined;
}

type Bound = { readonly least: number } | { readonly most: number };

const keeps = (value: number, bound: Bound): boolean =>
  'least' in bound ? value >= bound.least : value <= bound.most;
const describe = (bound: Bound, unit = ''): string =>
  'least' in bound ? `at least ${bound.least}${unit}` : `at most ${bound.most}${unit}`;

/** The median decides. */
function line(what: string, bound: Bound, values: readonly number[] | undefined, unit?: string): TargetLine {
  const target = describe(bound, unit === undefined ? '' : ` ${unit}`);
  if (values === undefined || values.length === 0) return { what, target };
  const measured = spread(values);
  return {
    what,
    target,
    measured,
    met: keeps(measured.median, bound),
    ...(unit === undefined ? {} : { unit }),
  };
}

/** Frames that come too late come in bunches, and a bunch is cheaper than its frames. */
function paceNote({ offered, series }: WorkloadResult): string | undefined {
  if (offered === 0) return undefined;
  const late = Object.entries(series).filter(([, samples]) =>
    samples.some(({ perSecond }) => perSecond < 0.95 * offered || perSecond > 1.05 * offered),
  );
  return late.length === 0 ? undefined : `not in pace: ${late.map(([name]) => name).join(', ')}`;
}

const inverse = (values: readonly number[] | undefined): number[] | undefined =>
  values?.map((value) => 1 / value);

/** A heartbeat is due three times in a session's time of 5 s; the window may hold one more. */
const heartbeatsPerSecond = 0.9;

const mostRun = (ran: Readonly<Record<string, number>>): string =>
  Object.entries(ran)
    .sort(([, one], [, other]) => other - one)
    .slice(0, 3)
    .map(([name, rate]) => `${name} ${rate.toFixed(1)}`)
    .join(', ');

export function targetLines(measured: Measured, nodeMajor: number): TargetLine[] {
  const { workloads, admission, signalling, stop, capacity, startUp } = measured;
  const find = (name: string): WorkloadResult | undefined => workloads.find((one) => one.name === name);
  const against = (name: string, peer: 'express' | 'nginxLua' | 'pipe'): number[] | undefined => {
    const found = find(name);
    return found && ratios(found, 'tallylight', peer);
  };
  const noted = (made: TargetLine, workload: WorkloadResult | undefined): TargetLine => ({
    ...made,
    note: workload && paceNote(workload),
  });

  const gate = workloads
    .filter(({ series }) => series.alwaysYes !== undefined)
    .map((workload) =>
      noted(
        line(
          `${workload.title}: gate on against gate 'always yes'`,
          { least: 0.97 },
          ratios(workload, 'tallylight', 'alwaysYes'),
        ),
        workload,
      ),
    );
  const small = line(
    '640-byte POSTs against nginx + Lua + Redis',
    { least: 0.6 },
    against('post640', 'nginxLua'),
  );
  const first = capacity?.byCalls.find(({ calls }) => calls === 10);
  const last = capacity?.byCalls.at(-1);
  const sixteen = capacity?.byInstances.at(-1);
  const growth = first && last && last.calls > first.calls ? [last.sent / first.sent] : undefined;

  const small640 = find('post640');
  const logged = small640 && ratios(small640, 'accessLog', 'tallylight');
  return [
    ...gate,
    {
      what: '640-byte POSTs: access log on against off',
      target: 'none',
      ...(logged === undefined ? {} : { measured: spread(logged) }),
    },
    line(
      '640-byte POSTs against Express + http-proxy-middleware + Redis',
      { least: 4 },
      against('post640', 'express'),
    ),
    // The target is one for Node 24.
    nodeMajor >= 24 ? small : { ...small, target: 'at least 0.6 on Node 24', met: undefined },
    line('160 KiB POSTs against nginx + Lua + Redis, bytes', { least: 0.8 }, against('post160k', 'nginxLua')),
    line('4 MiB segments against nginx + Lua + Redis, bytes', { least: 0.8 }, against('post4m', 'nginxLua')),
    ...['ws', 'wsMany'].map((name) => {
      const workload = find(name);
      const what = `${workload?.title ?? 'paced WebSockets'}: time on a processor for a frame against a raw TCP pipe`;
      return noted(line(what, { most: 1.15 }, inverse(against(name, 'pipe'))), workload);
    }),
    line('admission decision, one grant held', { most: 1 }, admission?.microseconds, 'µs'),
    line(
      'store commands and promises in these decisions',
      { most: 0 },
      admission && [admission.storeCommands + admission.promises],
      'in all',
    ),
    line(
      'stop with nothing in flight, 3 instances: p50 of the time added',
      { most: 3 },
      stop && [stop.three.p50],
      'ms',
    ),
    line(
      'stop with nothing in flight, 3 instances: p99 of the time added',
      { most: 10 },
      stop && [stop.three.p99],
      'ms',
    ),
    line('signalling: p50 of the time added', { most: 1 }, signalling && [signalling.p50], 'ms'),
    line('signalling: p99 of the time added', { most: 5 }, signalling && [signalling.p99], 'ms'),
    {
      ...line(
        `store commands of an idle instance with ${last?.calls ?? '100000'} open calls against 10`,
        { most: 1.1 },
        growth,
      ),
      target: 'equal',
    },
    {
      ...line(
        `store commands a second of an idle instance with ${last?.calls ?? '100000'} open calls`,
        { most: heartbeatsPerSecond },
        last && [last.sent],
      ),
      target: 'heartbeat only',
      note: last && mostRun(last.ran),
    },
    {
      ...line(
        'store commands a second of the gate of each of 16 instances',
        { most: heartbeatsPerSecond },
        sixteen && [sixteen.sent],
      ),
      target: 'heartbeat only',
    },
    line('memory for a held grant', { most: 1024 }, admission?.bytesPerGrant, 'bytes'),
    line(
      'memory for a call in Redis, with one holder',
      { most: 1536 },
      capacity && [capacity.heldCallBytes],
      'bytes',
    ),
    line('`npm start` to ready', { most: 1000 }, startUp?.npmStart, 'ms'),
    line('the built proxy, started directly, to ready', { most: 1000 }, startUp?.process, 'ms'),
  ];
}
