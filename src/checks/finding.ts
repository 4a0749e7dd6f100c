import type { ExitKind } from '../server/exit-codes.ts';
import type { Doubt } from '../settings/doubts.ts';

/** One thing that was looked at. Holds no secret: it is printed. */
export interface Finding {
  readonly status: 'ok' | 'warn' | 'fail';
  /** The setting that it is about, or what else was looked at. */
  readonly setting: string;
  readonly text: string;
  /** What to do; absent: nothing. */
  readonly cure?: string;
  /** Of a failure: what comes of it. */
  readonly kind?: Failure;
}

export type Failure = Extract<ExitKind, 'configuration' | 'cannotStart' | 'notReady'>;

export const right = (setting: string, text: string): Finding => ({ status: 'ok', setting, text });

export const doubtful = (setting: string, text: string, cure: string): Finding => ({
  status: 'warn',
  setting,
  text,
  cure,
});

export const wrong = (kind: Failure, setting: string, text: string, cure: string): Finding => ({
  status: 'fail',
  setting,
  text,
  cure,
  kind,
});

export const ofDoubt = ({ setting, text, cure }: Doubt): Finding => doubtful(setting, text, cure);

/** The most serious first: a process that does not start is not asked whether it is ready. */
const order: readonly Failure[] = ['configuration', 'cannotStart', 'notReady'];

/** How the program ends that has found all this. */
export const exitKindFor = (findings: readonly Finding[]): ExitKind =>
  order.find((kind) => findings.some((finding) => finding.kind === kind)) ?? 'success';
