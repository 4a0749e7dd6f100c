import type { Registry } from 'prom-client';
import type { ConsoleMeter } from '../core/ports/console-meter.ts';
import { consoleMetrics } from './console-metrics.ts';
import { register } from './register.ts';

/** Adds the metrics of the console to the registry of the process that serves it. */
export function createConsoleMeter(registry: Registry): ConsoleMeter {
  let behindMs = (): number => 0;
  const report = (): void => m.consoleJournalBehind(behindMs() / 1000);
  const m: ReturnType<typeof register<typeof consoleMetrics>> = register(registry, consoleMetrics, report);
  m.consoleListeners(0);
  return {
    journal: (ask) => void (behindMs = ask),
    listeners: (count) => m.consoleListeners(count),
    listenerCut: () => m.consoleListenersCut(1),
    act: (act, outcome) => m.consoleActs(1, { act, outcome }),
  };
}
