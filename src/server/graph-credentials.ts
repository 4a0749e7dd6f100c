import {
  clientName,
  createGraphCredentials,
  type GraphCredentialConfig,
  type GraphCredentials,
  type GraphCredentialsOptions,
} from '../auth/graph-credential.ts';
import { Fault } from '../core/errors.ts';
import type { Meter } from '../core/ports/meter.ts';

/** The Graph credentials in force, which can be exchanged for others while the process runs. */
export interface ExchangeableCredentials extends Omit<GraphCredentials, 'obtain'> {
  /**
   * Puts others in force once each of them has obtained a token. Otherwise those in force stay, and it throws:
   * `ConfigurationInvalid`, or `IssuerUnreachable` with the clients that obtained none.
   */
  exchange(others: readonly GraphCredentialConfig[]): Promise<void>;
}

interface Options extends Omit<GraphCredentialsOptions, 'meter'> {
  readonly meter?: Pick<Meter, 'graphCredentialRequest' | 'graphCredentials'> | undefined;
}

/** Throws `ConfigurationInvalid`. */
export function exchangeableCredentials(
  config: readonly GraphCredentialConfig[],
  { meter, ...others }: Options,
): ExchangeableCredentials {
  const make = (given: readonly GraphCredentialConfig[]): GraphCredentials =>
    createGraphCredentials(given, { ...others, ...(meter === undefined ? {} : { meter }) });
  let clients = config.map(clientName);
  let inForce = make(config);
  return {
    tokenFor: (who) => inForce.tokenFor(who),
    replace: (who, refused) => inForce.replace(who, refused),
    prefetch: () => inForce.prefetch(),
    missing: () => inForce.missing(),
    close: () => inForce.close(),
    async exchange(next) {
      const candidates = make(next);
      try {
        const missing = await candidates.obtain();
        if (missing.length > 0) throw new Fault('IssuerUnreachable', missing.join('; '));
        inForce.close();
        inForce = candidates;
        clients = next.map(clientName);
      } finally {
        meter?.graphCredentials(clients);
      }
    },
  };
}
