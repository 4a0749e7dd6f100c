import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Fault, messageOf } from '../core/errors.ts';
import { type Revocation, revokedBy } from '../core/http/revoked-tokens.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { Revocations } from '../core/ports/revocations.ts';
import { readRevocations } from '../policies/revocation-list.ts';

/** How often the file is read, ms: it may be on a file system that reports no changes. */
const rereadMs = 1000;

export interface WatchedRevocations extends Revocations {
  close(): void;
}

interface Rereading {
  readonly meter?: Pick<Meter, 'revocationListReload' | 'loaded'> | undefined;
  readonly read?: () => Promise<string>;
  readonly everyMs?: number;
}

/**
 * The revocation list in a file, which is read again and again. New content counts once two reads agree on it, so that a
 * file that is being written is not taken for a shorter list. A list that cannot be read leaves the previous one in force;
 * at the start it throws `ConfigurationInvalid`.
 */
export function watchRevocations(
  file: string,
  log: Log,
  { meter, read: readAgain = () => readFile(file, 'utf8'), everyMs = rereadMs }: Rereading = {},
): WatchedRevocations {
  const read = (content: string): readonly Revocation[] => readRevocations(file, content);
  let inForce = startingContent(file);
  let isRevoked = revokedBy(read(inForce));
  meter?.loaded('revokedTokens');
  let before = inForce;
  let complaint: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const listeners = new Set<() => void>();

  const adopt = (content: string): void => {
    const list = read(content);
    inForce = content;
    isRevoked = revokedBy(list);
    meter?.revocationListReload(true);
    log.info({ file, entries: list.length }, 'the list of revoked tokens has changed');
    for (const listener of [...listeners]) listener();
  };
  const look = async (): Promise<void> => {
    try {
      const content = await readAgain();
      const settled = content === before;
      before = content;
      if (content !== inForce && settled) adopt(content);
      if (settled) complaint = undefined;
    } catch (error) {
      const said = messageOf(error);
      meter?.revocationListReload(false);
      // Once for each mistake, not for each look.
      if (said !== complaint)
        log.error(
          { file, error: said },
          'the list of revoked tokens could not be read again; the previous list stays in force',
        );
      complaint = said;
    }
    if (!closed) timer = setTimeout(() => void look(), everyMs).unref();
  };
  timer = setTimeout(() => void look(), everyMs).unref();

  return {
    isRevoked: (token) => isRevoked(token),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

function startingContent(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new Fault('ConfigurationInvalid', `the list of revoked tokens cannot be read (${code})`, {
      cause: error,
    });
  }
}
