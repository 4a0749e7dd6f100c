import { isFault } from '../core/errors.ts';

/** What the exit code of `tallylight` means. The help and docs/reference/command-line.md show this table. */
export const exitCodes = {
  success: [0, 'Success, or an orderly shutdown.'],
  failure: [1, 'Anything else that went wrong while running, an unclean shutdown included.'],
  usage: [2, 'Usage: an unknown command or option.'],
  configuration: [3, 'Configuration: a setting, a file that it names or a policy is missing or wrong.'],
  cannotStart: [
    4,
    'Cannot start: a port is in use, a directory is not usable, Redis is unsuitable, or workers crash repeatedly.',
  ],
  notReady: [
    5,
    'Only of check: the process would start, but something it needs is wrong: a server does not answer or refuses a credential, a certificate is not accepted.',
  ],
  incomplete: [
    6,
    'Only of close, hold and release: accepted, but not complete yet: writes still end, or an instance has not confirmed it.',
  ],
} as const satisfies Record<string, readonly [code: number, meaning: string]>;

export type ExitKind = keyof typeof exitCodes;

export const exitCode = (kind: ExitKind): number => exitCodes[kind][0];

/** The kind that an error ends a process with. */
export function exitKindOf(error: unknown): ExitKind {
  if (!isFault(error) || error.code === 'Internal') return 'failure';
  return error.code === 'ConfigurationInvalid' ? 'configuration' : 'cannotStart';
}
