/** Faults, as opposed to refusals: something that should work did not. Tell them apart by `code`. */
export type FaultCode =
  /** The store did not answer, or not in time; whether the command ran is unknown. */
  | 'StoreUnavailable'
  /** The store cannot be used safely (too old, may evict keys). */
  | 'StoreUnsuitable'
  /** A setting, an option or a policy is wrong; the message names it. */
  | 'ConfigurationInvalid'
  /** A port, an address or a directory that a setting names cannot be used; the message names the setting. */
  | 'CannotStart'
  /** The evidence sink failed to make a record durable. */
  | 'EvidenceUnwritable'
  /** A key set or token endpoint could not be reached. */
  | 'IssuerUnreachable'
  /** An invariant of the program is broken. */
  | 'Internal';

export class Fault extends Error {
  readonly code: FaultCode;
  /** What a terminal shows: one line for each thing that is wrong, each complete in itself. */
  readonly lines: readonly string[];

  constructor(
    code: FaultCode,
    message: string,
    { lines = [message], ...options }: { cause?: unknown; lines?: readonly string[] } = {},
  ) {
    super(message, options);
    this.name = 'Fault';
    this.code = code;
    this.lines = lines;
  }
}

export const isFault = (error: unknown, code?: FaultCode): error is Fault =>
  error instanceof Fault && (code === undefined || error.code === code);

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
