import type { Capacity } from './capacity.ts';
import { peerNames, type PeerName } from './peer-names.ts';
import { spread, type Results } from './results.ts';
import { short } from './table.ts';

const escape = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

const text = (x: number, y: number, said: string, more = ''): string =>
  `<text x="${x}" y="${y}" ${more}>${escape(said)}</text>`;

const svg = (width: number, height: number, parts: readonly string[]): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="DejaVu Sans, Arial, sans-serif" font-size="12" fill="#222">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');

const ours = '#c62828';
const others = '#90a4ae';
const units = { requests: 'requests', bytes: 'MiB', frames: 'frames' } as const;

/** What one core does, by workload and peer: bars are medians, the thin lines ranges. */
export function barChart({ workloads, node }: Results): string {
  const [width, left, room, row] = [900, 270, 480, 18];
  const parts = [
    text(16, 26, `What one core does: work for each CPU second of the proxy, Node ${node}`, 'font-size="16"'),
  ];
  let y = 44;
  for (const { title, unit, series } of workloads) {
    y += 22;
    parts.push(text(16, y, `${title} (${units[unit]} for each CPU second)`, 'font-weight="bold"'));
    const scale = unit === 'bytes' ? 1 / 1024 ** 2 : 1;
    const rows = Object.entries(series).map(([name, samples]) => ({
      name: name as PeerName,
      ...spread(samples.map(({ perCpuSecond }) => perCpuSecond * scale)),
    }));
    const longest = Math.max(...rows.map(({ max }) => max));
    const at = (value: number): number => Math.round((value / longest) * room * 10) / 10;
    for (const { name, median, min, max } of rows) {
      y += row;
      const isOurs = name === 'tallylight' || name === 'alwaysYes' || name === 'accessLog';
      const middle = y - 4;
      parts.push(
        text(left - 8, y, peerNames[name], 'text-anchor="end"'),
        `<rect x="${left}" y="${y - 11}" width="${at(median)}" height="13" fill="${isOurs ? ours : others}"${isOurs && name !== 'tallylight' ? ' opacity="0.5"' : ''}/>`,
        `<line x1="${left + at(min)}" x2="${left + at(max)}" y1="${middle}" y2="${middle}" stroke="#222"/>`,
        text(left + at(max) + 8, y, short(median)),
      );
    }
    y += 8;
  }
  return svg(width, y + 20, parts);
}

interface Panel {
  readonly title: string;
  readonly x: string;
  readonly points: readonly (readonly [number, number])[];
}

/** x is logarithmic, y begins at zero: what is flat looks flat. */
function panel({ title, x: label, points }: Panel, left: number, top: number): string[] {
  const [width, height] = [240, 150];
  const logs = points.map(([x]) => Math.log10(x));
  const widest = Math.max(...logs, 1e-9);
  const highest = Math.max(...points.map(([, y]) => y), 1e-9) * 1.15;
  const place = ([x, y]: readonly [number, number]): readonly [number, number] => [
    Math.round(left + (Math.log10(x) / widest) * width),
    Math.round(top + height - (y / highest) * height),
  ];
  const placed = points.map(place);
  return [
    text(left, top - 12, title, 'font-weight="bold"'),
    `<path d="M${left} ${top} V${top + height} H${left + width}" fill="none" stroke="#888"/>`,
    `<polyline points="${placed.map((point) => point.join(',')).join(' ')}" fill="none" stroke="${ours}" stroke-width="2"/>`,
    ...placed.flatMap(([cx, cy], n) => {
      const [x, y] = points[n] ?? [0, 0];
      return [
        `<circle cx="${cx}" cy="${cy}" r="3" fill="${ours}"/>`,
        text(cx, cy - 8, short(y), 'text-anchor="middle" font-size="10"'),
        text(
          cx,
          top + height + 14,
          x >= 1000 ? `${x / 1000}k` : String(x),
          'text-anchor="middle" font-size="10"',
        ),
      ];
    }),
    text(left + width / 2, top + height + 30, label, 'text-anchor="middle" font-size="11"'),
  ];
}

export function growthChart({ byCalls, byInstances }: Capacity, node: string): string {
  const calls = 'open calls';
  const instances = 'instances, in one process';
  const panels: Panel[] = [
    {
      title: 'CPU for a 640-byte POST, µs',
      x: calls,
      points: byCalls.map((one) => [one.calls, one.cpuPerRequest]),
    },
    {
      title: 'Memory of the instance, MiB',
      x: calls,
      points: byCalls.map((one) => [one.calls, one.memory / 1024 ** 2]),
    },
    {
      title: 'Store commands a second, idle',
      x: calls,
      points: byCalls.map((one) => [one.calls, one.sent]),
    },
    {
      title: 'CPU for an admission, µs',
      x: instances,
      points: byInstances.map((one) => [one.instances, one.cpuPerAdmission]),
    },
    {
      title: 'Memory of each instance, MiB',
      x: instances,
      points: byInstances.map((one) => [one.instances, one.memory / 1024 ** 2]),
    },
    {
      title: 'Store commands a second, of each',
      x: instances,
      points: byInstances.map((one) => [one.instances, one.sent]),
    },
  ];
  return svg(900, 560, [
    text(16, 26, `Growth, Node ${node}: flat, or explained in the README`, 'font-size="16"'),
    ...panels.flatMap((one, n) => panel(one, 40 + (n % 3) * 290, n < 3 ? 80 : 340)),
  ]);
}
