import { isFault, messageOf } from '../core/errors.ts';

/** Says why the process does not start, and ends it. */
export function failStart(error: unknown): never {
  process.stderr.write(`tallylight: ${messageOf(error)}\n`);
  if (!isFault(error, 'ConfigurationInvalid'))
    process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : ''}\n`);
  process.exit(1);
}
