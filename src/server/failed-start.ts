import { isFault } from '../core/errors.ts';
import { exitCode, exitKindOf } from './exit-codes.ts';

/** Says on standard error why the process does not start, and ends it. */
export function exitWithStartError(error: unknown): never {
  process.stderr.write(failureText(error));
  process.exit(exitCode(exitKindOf(error)));
}

/** What an operator can correct takes one line for each mistake; the stack is for errors of the program alone. */
function failureText(error: unknown): string {
  if (isFault(error) && error.code !== 'Internal')
    return error.lines.map((line) => `tallylight: ${line.replace(/\s*\n\s*/g, ' ')}\n`).join('');
  return `tallylight: unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}
