import {
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  VisibilityMode,
  VizLegendOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

export interface Panel {
  readonly title: string;
  readonly description: string;
  /** One of the SDK's `units`. */
  readonly unit: string;
  /** By legend: the expression; each legend is a template of Grafana. */
  readonly queries: Readonly<Record<string, string>>;
  /** One number in place of a graph; red from here on, or `below` it. */
  readonly stat?: { readonly redFrom?: number; readonly redBelow?: number };
}

export interface Page {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: Readonly<Record<string, readonly Panel[]>>;
}

/** A metric of the instances that are chosen on the page. */
export const of = (metric: string, matchers = ''): string =>
  `${metric}{job=~"$job",instance=~"$instance"${matchers === '' ? '' : `,${matchers}`}}`;

/** Something that the recording rules say of the whole job. */
export const ofJob = (series: string): string => `${series}{job=~"$job"}`;

const by = (labels: string): string => (labels === '' ? '' : ` by (${labels})`);

/** The sum over the instances, each second. */
export const rate = (series: string, labels = ''): string =>
  `sum${by(labels)} (rate(${series}[$__rate_interval]))`;

/** How many there were in the time that the page shows. */
export const count = (series: string, labels = ''): string =>
  `sum${by(labels)} (increase(${series}[$__range]))`;

export const quantile = (share: number, bucket: string, labels = ''): string =>
  `histogram_quantile(${share}, sum by (${['le', labels].filter(Boolean).join(', ')}) (rate(${bucket}[$__rate_interval])))`;

/** Of several instances that report the same, or of which the worst counts. */
export const max = (series: string, labels = ''): string => `max${by(labels)} (${series})`;
export const min = (series: string, labels = ''): string => `min${by(labels)} (${series})`;
export const sum = (series: string, labels = ''): string => `sum${by(labels)} (${series})`;

const datasource = { type: 'prometheus', uid: '${datasource}' };

const targets = ({ queries }: Panel): DataqueryBuilder[] =>
  Object.entries(queries).map(([legend, expr], index) =>
    new DataqueryBuilder()
      .refId(String.fromCharCode(65 + index))
      .expr(expr)
      .legendFormat(legend)
      .range(),
  );

function graph(panel: Panel): TimeSeriesBuilder {
  return new TimeSeriesBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(datasource)
    .unit(panel.unit)
    .axisSoftMin(0)
    .span(8)
    .height(8)
    .fillOpacity(10)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .targets(targets(panel));
}

function stat(panel: Panel, { redFrom, redBelow }: NonNullable<Panel['stat']>): StatBuilder {
  const steps =
    redBelow === undefined
      ? [
          { value: null, color: 'green' },
          ...(redFrom === undefined ? [] : [{ value: redFrom, color: 'red' }]),
        ]
      : [
          { value: null, color: 'red' },
          { value: redBelow, color: 'green' },
        ];
  return new StatBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(datasource)
    .unit(panel.unit)
    .span(4)
    .height(4)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps))
    .targets(targets(panel));
}

/** A choice of label values that the metric has; each instance reports it. */
const choice = (name: string, label: string, selector: string): QueryVariableBuilder =>
  new QueryVariableBuilder(name)
    .label(label)
    .datasource(datasource)
    .query(`label_values(${selector}, ${name})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.+')
    .current({ selected: true, text: ['All'], value: ['$__all'] });

/** The dashboard as Grafana loads it. */
export function dashboard({ uid, title, description, rows }: Page): object {
  // The model that Grafana provisions from files; the later one is not read from there in all versions.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const builder = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['tallylight'])
    .refresh('30s')
    .time({ from: 'now-6h', to: 'now' })
    .timezone('browser')
    .readonly()
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
    .withVariable(choice('job', 'Job', 'tallylight_enforcing'))
    .withVariable(choice('instance', 'Instance', 'tallylight_enforcing{job=~"$job"}'));
  // Links to a panel name its number.
  let id = 0;
  for (const [name, panels] of Object.entries(rows)) {
    builder.withRow(new RowBuilder(name).id((id += 1)));
    for (const panel of panels) {
      id += 1;
      builder.withPanel(panel.stat === undefined ? graph(panel).id(id) : stat(panel, panel.stat).id(id));
    }
  }
  return builder.build();
}
