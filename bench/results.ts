import type { AdmissionResult } from './admission.ts';
import type { Capacity } from './capacity.ts';
import type { Added, Cycles } from './latency.ts';
import type { Series } from './measure.ts';
import type { PeerName } from './peer-names.ts';
import type { Unit } from './workloads.ts';

/** Of several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [low = NaN, high = NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return { median: (low + high) / 2, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN };
}

export interface WorkloadResult {
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  /** Frames each second that were offered; 0: as many as are taken. */
  readonly offered: number;
  readonly series: Series;
}

/** What one run on one Node has found; a part that was not asked for is absent. */
export interface Measured {
  readonly workloads: WorkloadResult[];
  admission?: AdmissionResult;
  signalling?: Added;
  stop?: { readonly one: Added; readonly three: Added };
  cycles?: Cycles[];
  capacity?: Capacity;
  /** ms. */
  startUp?: { readonly process: readonly number[]; readonly npmStart: readonly number[] };
  /** Peers that were left out and measures that failed, with the reason. */
  readonly absent: string[];
}

export interface Results extends Measured {
  readonly node: string;
  readonly date: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly kernel: string;
    readonly pinned: boolean;
    /** Before and after: how busy the machine was with other things. */
    readonly load: readonly [number, number];
  };
  readonly options: Readonly<Record<string, unknown>>;
}

/** What `ours` does for each second on a processor against what `theirs` does in the same round. */
export function ratios({ series }: WorkloadResult, ours: PeerName, theirs: PeerName): number[] | undefined {
  const [one, other] = [series[ours], series[theirs]];
  if (one === undefined || other === undefined || one.length !== other.length || one.length === 0)
    return undefined;
  return one.map(({ perCpuSecond }, round) => perCpuSecond / (other[round]?.perCpuSecond ?? NaN));
}
