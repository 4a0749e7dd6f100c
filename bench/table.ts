import { peerNames, type PeerName } from './peer-names.ts';
import { ratios, spread, type Results, type Spread } from './results.ts';
import type { TargetLine } from './targets.ts';

/** Three significant digits, without exponents. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return value.toPrecision(3).replace(/\.?0+$/, '');
}

const shown = ({ median, min, max }: Spread): string =>
  min === max ? short(median) : `${short(median)} [${short(min)}, ${short(max)}]`;

/** Columns padded to the width of the widest cell. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, n) => Math.max(...rows.map((row) => row[n]?.length ?? 0)));
  const text = (row: readonly string[]): string =>
    row
      .map((cell, n) => cell.padEnd(widths[n] ?? 0))
      .join('  ')
      .trimEnd();
  const [head = [], ...body] = rows;
  return [text(head), widths.map((width) => '-'.repeat(width)).join('  '), ...body.map(text)].join('\n');
}

const verdict = ({ measured, met }: TargetLine): string => {
  if (measured === undefined) return 'not measured';
  if (met === undefined) return 'no target here';
  return met ? 'met' : 'missed';
};

export function targetTable(lines: readonly TargetLine[]): string {
  return columns([
    ['target', 'wanted', 'measured: median [range]', '', ''],
    ...lines.map((line) => [
      line.what,
      line.target,
      line.measured === undefined
        ? ''
        : `${shown(line.measured)}${line.unit === undefined ? '' : ` ${line.unit}`}`,
      verdict(line),
      line.note ?? '',
    ]),
  ]);
}

/** Every peer under every workload. */
function workloadTable({ workloads }: Results): string {
  const rows = workloads.flatMap((workload) =>
    Object.entries(workload.series).map(([name, samples]) => {
      const scale = workload.unit === 'bytes' ? 1 / 1024 ** 2 : 1;
      const of = (pick: (sample: (typeof samples)[number]) => number): Spread => spread(samples.map(pick));
      const ratio = ratios(workload, name as PeerName, 'tallylight');
      return [
        workload.title,
        peerNames[name as PeerName],
        shown(of(({ perCpuSecond }) => perCpuSecond * scale)),
        workload.unit === 'bytes' ? 'MiB' : workload.unit,
        ratio === undefined ? '' : shown(spread(ratio)),
        short(of(({ perSecond }) => perSecond * scale).median),
        short(of(({ cores }) => cores).median),
        workload.unit === 'frames' ? '' : short(of(({ p50 }) => p50).median),
      ];
    }),
  );
  return columns([
    ['workload', 'peer', 'per CPU second', '', 'against Tallylight', 'per second', 'cores', 'p50 ms'],
    ...rows,
  ]);
}

function facts({ stop, signalling, cycles, capacity, absent }: Results): string[] {
  const lines: string[] = [];
  const added = (what: string, one: typeof signalling): void => {
    if (one === undefined) return;
    lines.push(
      `${what}, ${one.pairs} pairs: added p50 ${short(one.p50)} ms, p99 ${short(one.p99)} ms; through the proxy ${short(one.proxied.p50)} and ${short(one.proxied.p99)}, straight to Graph ${short(one.direct.p50)} and ${short(one.direct.p99)}`,
    );
  };
  added('signalling', signalling);
  added('stop, 1 instance holds the call', stop?.one);
  added('stop, 3 instances hold the call', stop?.three);
  if (cycles !== undefined)
    lines.push(
      `start, write, stop: ${shown(spread(cycles.map((one) => one.cpuPerCycle)))} ms on a processor, ${short(spread(cycles.map((one) => one.perSecond)).median)} a second`,
    );
  for (const point of capacity?.byCalls ?? [])
    lines.push(
      `${point.calls} open calls: ${short(point.cpuPerRequest)} µs on a processor for a 640-byte POST, ${short(point.memory / 1024 ** 2)} MiB resident, ${short(point.sent)} store commands a second`,
    );
  for (const point of capacity?.byInstances ?? [])
    lines.push(
      `${point.instances} instances in one process: ${short(point.cpuPerAdmission)} µs for an admission, ${short(point.memory / 1024)} KiB and ${short(point.sent)} store commands a second for each`,
    );
  if (capacity !== undefined)
    lines.push(
      `a call in Redis: ${short(capacity.callBytes)} bytes while recording, ${short(capacity.heldCallBytes)} with a holder`,
    );
  return [...lines, ...absent.map((reason) => `left out: ${reason}`)];
}

export const report = (results: Results, lines: readonly TargetLine[]): string =>
  [
    `Node ${results.node}, ${results.machine.cpu}, ${results.machine.cores} cores, load ${results.machine.load.map((value) => value.toFixed(1)).join(' to ')}${results.machine.pinned ? '' : ', not pinned'}`,
    targetTable(lines),
    ...(results.workloads.length === 0 ? [] : [workloadTable(results)]),
    facts(results).join('\n'),
  ].join('\n\n');
