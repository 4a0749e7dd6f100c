import { actOutcomes, consoleActs } from '../core/ports/console-meter.ts';
import type { MetricRow } from './row.ts';

/** Of the console, by the process that serves it; absent without `TALLYLIGHT_CONSOLE_PORT`. */
export const consoleMetrics = {
  consoleListeners: {
    name: 'tallylight_console_listeners',
    type: 'gauge',
    across: 'sum',
    help: 'Event streams of the console that are open now. Absent without `TALLYLIGHT_CONSOLE_PORT`.',
  },
  consoleListenersCut: {
    name: 'tallylight_console_listeners_cut_total',
    type: 'counter',
    help: 'Event streams of the console that were cut because the client did not read them.',
  },
  consoleActs: {
    name: 'tallylight_console_acts_total',
    type: 'counter',
    help: 'Acts of operators at the console, by act and outcome: `done`, `underWay` (accepted, but not complete when it was answered), `refused`.',
    labels: { act: consoleActs, outcome: actOutcomes },
    zeros: 'all',
  },
  consoleJournalBehind: {
    name: 'tallylight_console_journal_behind_seconds',
    type: 'gauge',
    across: 'max',
    help: 'Seconds for which the console has had lines of the journal to read; 0: it shows everything that is in the journal.',
  },
} as const satisfies Record<string, MetricRow>;
