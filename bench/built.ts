import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CallKey } from '../src/core/call/key.ts';
import type { Binding } from '../src/core/call/state.ts';
import type { Log } from '../src/core/ports/log.ts';
import type { Store } from '../src/core/ports/store.ts';
import type * as gateModule from '../src/gate/gate.ts';
import type * as clockModule from '../src/http/clock.ts';
import type * as metricsModule from '../src/metrics/metrics.ts';
import type * as processModule from '../src/metrics/process.ts';
import type * as policiesModule from '../src/policies/load.ts';
import { sandboxApp, sandboxTenant } from '../src/sandbox/token-mint.ts';
import { repository } from './processes.ts';

/** A module of the build, as it is shipped; the type is that of its source. */
export const built = async <Module>(file: string): Promise<Module> =>
  (await import(pathToFileURL(join(repository, 'dist/src', file)).href)) as Module;

export const bot: Binding = { tenant: sandboxTenant, app: sandboxApp };

/** The nth of any number of calls, as Graph writes it and as the store does. */
export const callId = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
export const callKey = (n: number): CallKey => callId(n).replaceAll('-', '') as CallKey;

const nothing = (): void => undefined;
export const noLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** A gate as the proxy makes it, on any store. */
export async function builtGate({
  calls,
  sessions,
  outbox,
  holds,
}: Pick<Store, 'calls' | 'sessions' | 'holds'> & {
  readonly outbox: Pick<Store['outbox'], 'backlog' | 'report'>;
}): Promise<gateModule.Gate> {
  const gates = await built<typeof gateModule>('gate/gate.js');
  const policies = await built<typeof policiesModule>('policies/load.js');
  const clocks = await built<typeof clockModule>('http/clock.js');
  const metrics = await built<typeof metricsModule>('metrics/metrics.js');
  const { createRegistry } = await built<typeof processModule>('metrics/process.js');
  const meter = metrics.createMeter(createRegistry());
  const { policyFor } = policies.createPolicySet(join(repository, 'policies'), { log: noLog, meter });
  return new gates.Gate({
    calls,
    sessions,
    outbox,
    holds,
    readHolds: () => Promise.resolve([]),
    clock: clocks.systemClock,
    log: noLog,
    meter,
    policyFor,
    newId: randomUUID,
    times: { ttlMs: 5000, drainMs: 5000, graphTimeoutMs: 1000 },
  });
}
