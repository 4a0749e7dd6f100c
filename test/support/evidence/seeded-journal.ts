import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chain, type EvidenceRecord } from '../../../src/core/call/evidence.ts';
import { parseCallKey } from '../../../src/core/call/key.ts';
import {
  type Binding,
  type CallState,
  type EventName,
  nextState,
  unknownCall,
} from '../../../src/core/call/state.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { emptyHead, encodeLine, fileNameFor } from '../../../src/evidence/journal/journal.ts';

export interface SeededCall {
  readonly events: readonly (readonly [event: EventName, detail?: JsonObject])[];
  readonly by: Binding;
  readonly policy?: string | undefined;
  /** ms since the epoch, of its first record; the next ones follow a second apart. */
  readonly at: number;
}

/** A journal as an instance writes it, of calls that have gone through these events; their ids. */
export async function seedJournal(directory: string, calls: readonly SeededCall[]): Promise<string[]> {
  const ids = calls.map(() => randomUUID());
  const histories = calls.flatMap((call, index) => historyOf(ids[index] ?? '', call));
  histories.sort((a, b) => (a.at < b.at ? -1 : 1));
  let head = emptyHead;
  const lines: string[] = [];
  for (const record of histories) {
    const line = encodeLine(head, { record });
    head = line.head;
    lines.push(line.text);
  }
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, fileNameFor(new Date())), lines.join(''));
  return ids;
}

function historyOf(id: string, { events, by, policy, at }: SeededCall): EvidenceRecord[] {
  const call = parseCallKey(id)!;
  let state: CallState = unknownCall;
  return events.map(([event, detail = {}], index) => {
    const to = nextState(state.state, event)!;
    const epoch = event === 'startRequested' ? at : state.epoch;
    const step = chain(
      state,
      { ...state, state: to, epoch, binding: by },
      {
        call,
        at: at + index * 1000,
        event,
        instance: 'session-1',
        policy: policy ?? null,
        by,
        enforced: true,
        detail,
      },
    );
    state = step.state;
    return step.record;
  });
}
