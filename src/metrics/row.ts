/** Every value a label can have; what is none of them is counted as `other`. */
export type LabelValues = Readonly<Record<string, readonly string[]>>;

interface AnyMetricRow {
  readonly name: `tallylight_${string}`;
  readonly help: string;
  /** Every instance of a store reports the same: whoever adds them up counts one thing several times. */
  readonly shared?: true;
}

/**
 * `zeros`: label values that are reported as 0 from the start. `increase` of a series that is born with its first event
 * does not see that event. `all`: every combination.
 */
type Labels =
  | { readonly labels?: undefined }
  | {
      readonly labels: LabelValues;
      readonly zeros: 'all' | readonly Readonly<Record<string, string>>[];
    };

export type CounterRow = AnyMetricRow & Labels & { readonly type: 'counter' };

export interface GaugeRow extends AnyMetricRow {
  readonly type: 'gauge';
  readonly labels?: LabelValues;
  /** How the values of several workers become one; `first`: all tell the same, and the first was asked last. */
  readonly across: 'sum' | 'min' | 'max' | 'first';
  /** Absent until its first report, and while it is not known: 0 would be a claim. */
  readonly unknownAtFirst?: true;
}

export type HistogramRow = AnyMetricRow &
  Labels & {
    readonly type: 'histogram';
    /** Upper bounds, seconds. */
    readonly buckets: readonly number[];
  };

/** Counters and histograms of several workers are added up. */
export type MetricRow = CounterRow | GaugeRow | HistogramRow;

/** As it is served: what is shared says so where a query is written. */
export const helpOf = ({ help, shared }: Pick<MetricRow, 'help' | 'shared'>): string =>
  shared === true ? `${help} Every instance reports the same: aggregate with max, not sum.` : help;

/** How the values of several instances become one. */
export const aggregationOf = (row: MetricRow): 'sum' | 'min' | 'max' => {
  if (row.type === 'gauge' && row.across === 'min') return 'min';
  return row.shared === true || (row.type === 'gauge' && row.across !== 'sum') ? 'max' : 'sum';
};

/** The label values that exist from the start. */
export function zerosOf(row: CounterRow | HistogramRow): readonly Readonly<Record<string, string>>[] {
  if (row.labels === undefined) return [];
  return row.zeros === 'all' ? combinations(row.labels) : row.zeros;
}

/** Every combination of the values of labels. */
export function combinations(labels: LabelValues): Readonly<Record<string, string>>[] {
  return Object.entries(labels).reduce<Readonly<Record<string, string>>[]>(
    (before, [name, values]) => before.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
    [{}],
  );
}
