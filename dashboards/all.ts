import { lawsAndCalls } from './laws-and-calls.ts';
import { dashboard } from './panels.ts';
import { service } from './service.ts';

/** By name of their file in deploy/grafana/dashboards. */
export const dashboards: Readonly<Record<string, object>> = {
  'laws-and-calls.json': dashboard(lawsAndCalls),
  'service.json': dashboard(service),
};
