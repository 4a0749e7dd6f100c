import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const grafana = resolve(import.meta.dirname, '../../deploy/grafana');

interface Panel {
  readonly id?: number;
  readonly type: string;
  readonly title?: string;
  readonly description?: string;
  readonly datasource?: { readonly uid?: string };
  readonly fieldConfig?: { readonly defaults?: { readonly unit?: string } };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
  readonly panels?: readonly Panel[];
}

interface Board {
  readonly panels: readonly Panel[];
  readonly templating?: { readonly list: readonly { readonly name: string; readonly query?: unknown }[] };
}

export const readDashboard = (name: string): Board =>
  JSON.parse(readFileSync(join(grafana, 'dashboards', name), 'utf8')) as Board;

/** All that show something; rows that are folded hold theirs. */
export const panelsOf = ({ panels }: Board): Panel[] =>
  panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]).filter(({ type }) => type !== 'row');

/** Every expression, with what Grafana puts in for its variables, and the selectors that fill those. */
export const expressionsOf = (board: Board): string[] => [
  ...panelsOf(board).flatMap(({ targets = [] }) => targets.map(({ expr }) => withoutVariables(expr))),
  ...(board.templating?.list ?? []).flatMap(({ query }) => {
    const [, selector] = /^label_values\((.+), \w+\)$/.exec(String(query)) ?? [];
    return selector === undefined ? [] : [withoutVariables(selector)];
  }),
];

const withoutVariables = (expr: string): string =>
  expr
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('$__range', '6h')
    .replaceAll(/"\$(?:job|instance)"/g, '".+"');
