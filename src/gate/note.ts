import type { CallKey } from '../core/call/key.ts';
import { type Decision, grant } from '../core/decision.ts';
import type { JsonObject } from '../core/json.ts';
import { asRefusal, type Author, change } from './change.ts';
import type { GateDeps } from './context.ts';

export type NoteType = 'metadataUpdated' | 'operationPatched' | 'mediaRequested' | 'callbackBypassed';

/** Puts something that does not change the gate into the evidence; a refusal means it is not there. */
export async function note(
  deps: GateDeps,
  author: Author,
  type: NoteType,
  call: CallKey,
  detail: JsonObject,
): Promise<Decision<void>> {
  try {
    const noted = await change(deps, call, author, () => grant({ event: { type }, detail }));
    return noted.ok ? grant(undefined) : noted;
  } catch (error) {
    return asRefusal(error);
  }
}
