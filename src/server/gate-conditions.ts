import { noCall } from '../core/call/key.ts';
import { messageOf } from '../core/errors.ts';
import type { Store } from '../core/ports/store.ts';
import type { EvidenceWriter } from '../evidence/journal/writer.ts';
import { freshForMs } from '../gate/change.ts';
import type { GateParts } from '../gate/context.ts';
import type { Gate } from '../gate/gate.ts';
import type { Adapters } from './adapters.ts';
import type { Condition } from './readiness.ts';

interface Parts {
  readonly gate: Gate;
  readonly parts: GateParts;
  readonly store: Pick<Store, 'ping'>;
  readonly adapters: Pick<Adapters, 'missingKeys' | 'missingCredential'>;
  readonly writer: Pick<EvidenceWriter, 'obstacle'>;
}

/** What a `recording` that is sent to this instance now needs to open a gate. */
export const gateConditions = ({ gate, parts, store, adapters, writer }: Parts): readonly Condition[] => [
  { code: 'StoreUnavailable', obstacle: () => silentStore(store) },
  {
    code: 'SessionMissing',
    obstacle: () =>
      gate.isReady() || gate.byHand.holdsObstacle() !== undefined
        ? undefined
        : (gate.obstacle() ?? 'this instance has no session in the store'),
  },
  { code: 'HoldsUnknown', obstacle: () => gate.byHand.holdsObstacle() },
  // One that has no session leaves the store as it is: to read a call begins the life of its shard.
  { code: 'StoreFresh', obstacle: () => (gate.isReady() ? freshStore(parts) : undefined) },
  { code: 'KeysMissing', obstacle: () => adapters.missingKeys() },
  { code: 'GraphCredentialUnavailable', obstacle: () => adapters.missingCredential() },
  { code: 'EvidenceUnwritable', obstacle: () => writer.obstacle() },
  { code: 'EvidenceBacklog', obstacle: () => gate.evidenceObstacle() },
];

const silentStore = ({ ping }: Pick<Store, 'ping'>): Promise<string | undefined> =>
  ping().then(
    () => undefined,
    (error: unknown) => `the store does not answer: ${messageOf(error)}`,
  );

/** That the store does not answer is a condition of its own. */
async function freshStore(deps: GateParts): Promise<string | undefined> {
  try {
    const ms = freshForMs(deps, await deps.calls.read(noCall));
    return ms > 0
      ? `the store started without data: status changes are refused for another ${(ms / 1000).toFixed(1)} s`
      : undefined;
  } catch {
    return undefined;
  }
}
