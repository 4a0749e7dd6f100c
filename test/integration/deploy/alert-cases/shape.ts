/** By selector without the labels that every series has: its values, in the notation of promtool. */
export type Series = Readonly<Record<string, string>>;

interface Scene {
  readonly series: Series;
  /** When the alert is looked at. */
  readonly at: string;
}

export interface AlertCase {
  readonly alert: string;
  readonly severity: 'critical' | 'warning';
  /** Time between two samples; a minute if absent. */
  readonly every?: string;
  readonly fires: Scene;
  /** The labels of the alert that fires, its severity aside. */
  readonly labels: Readonly<Record<string, string>>;
  /** Scenes in which it must not fire, as near to the one above as may be. */
  readonly silent: readonly Scene[];
}

export const job = { job: 'tallylight' };
export const one = { ...job, instance: 'a:9090' };
export const now = '5x20';
export const step = '0x5 1x20';

export const transition = (event: string): string => `tallylight_call_transitions_total{event="${event}"}`;
export const decision = (surface: string, reason: string): string =>
  `tallylight_gate_decisions_total{surface="${surface}",reason="${reason}"}`;
export const notPolicyCall = decision('control', 'NotPolicyCall');
export const early = decision('media', 'RecordingNotActive');
