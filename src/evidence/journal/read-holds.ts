import { constants } from 'node:fs';
import { createInterface } from 'node:readline';
import { type HoldLine, lineKinds } from '../../core/call/evidence-lines.ts';
import { Fault } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { ReadHolds } from '../../core/ports/hold-store.ts';
import type { Outbox } from '../../core/ports/outbox.ts';
import { openRegular } from './disk.ts';
import { journalFiles } from './tail.ts';
import type { EvidenceWriter } from './writer.ts';

interface ReadHoldsDeps {
  readonly directory: string;
  /** The id of the directory. */
  readonly sink: string;
  readonly outbox: Pick<Outbox, 'claimSink'>;
  readonly writer: Pick<EvidenceWriter, 'flush'>;
}

/**
 * Reads every line about holds from the journal, oldest first, once what waits in the store is durable. Throws
 * `EvidenceUnwritable` where the directory is not that of the store, or a line is missing or cannot be read.
 */
export const readHoldsFrom =
  ({ directory, sink, outbox, writer }: ReadHoldsDeps): ReadHolds =>
  async () => {
    const claimed = await outbox.claimSink(sink);
    if (claimed !== sink)
      throw unreadable(`the evidence of this store is in another directory (sink ${claimed})`);
    await writer.flush();
    const lines: HoldLine[] = [];
    // From a move on any number may come next, since what stood then was written again.
    let next = 1;
    for (const path of await journalFiles(directory))
      for await (const line of linesOf(path)) {
        if (isRecord(line.moved)) next = Infinity;
        if (!isRecord(line.hold)) continue;
        const hold = line.hold as unknown as HoldLine;
        if (line.hold.version !== lineKinds.hold.version)
          throw unreadable(
            `${path} has a hold of version ${String(line.hold.version)}, which this build cannot read`,
          );
        if (hold.number > next)
          throw unreadable(`${path} has hold ${hold.number} instead of ${next}: put the missing files back`);
        next = Math.max(next, hold.number + 1);
        lines.push(hold);
      }
    return lines;
  };

const unreadable = (text: string): Fault => new Fault('EvidenceUnwritable', text);

/** Whether a line may be one of those that are looked for: it is canonical JSON, in which a text has no bare quote. */
const isSought = (text: string): boolean => text.includes('"hold":{') || text.includes('"moved":{');

/** What is behind the last newline of a file was never acknowledged. */
async function* linesOf(path: string): AsyncGenerator<Record<string, unknown>> {
  const handle = await openRegular(path, constants.O_RDONLY);
  try {
    const input = handle.createReadStream({ encoding: 'utf8', autoClose: false });
    let last: string | undefined;
    for await (const text of createInterface({ input, crlfDelay: Infinity })) {
      if (last !== undefined && isSought(last)) yield whole(last, path);
      last = text;
    }
    if (last !== undefined && isSought(last)) {
      const line = parsed(last);
      if (line !== undefined) yield line;
    }
  } finally {
    await handle.close();
  }
}

function whole(text: string, path: string): Record<string, unknown> {
  const line = parsed(text);
  if (line === undefined) throw unreadable(`${path} has a damaged line about a hold: restore the file`);
  return line;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const line: unknown = JSON.parse(text);
    return isRecord(line) ? line : undefined;
  } catch {
    return undefined;
  }
}
