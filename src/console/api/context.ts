import type { IncomingMessage } from 'node:http';
import type { Request, Response } from 'express';
import type { CallKey } from '../../core/call/key.ts';
import type { Refusal } from '../../core/decision.ts';
import type { ConsoleMeter } from '../../core/ports/console-meter.ts';
import type { JournalFeed } from '../../core/ports/journal-feed.ts';
import type { Log } from '../../core/ports/log.ts';
import type { OperatorIdentity, OperatorRole } from '../../core/ports/operator.ts';
import type { Backend } from '../backend.ts';
import type { Hub } from '../events/hub.ts';
import type { PageFiles } from '../page-files.ts';
import type { Projection, Scope } from '../projection/projection.ts';
import type { Head } from '../row.ts';
import type { Place } from './guard.ts';
import type { Sessions } from './sessions.ts';

/** What every route may use. */
export interface ApiDeps {
  readonly place: Place;
  readonly unfit: (req: IncomingMessage) => Refusal | undefined;
  readonly sessions: Sessions;
  readonly projection: Projection;
  readonly hub: Hub;
  readonly backend: Backend;
  readonly journal: Pick<JournalFeed, 'read'>;
  readonly headFor: (scope: Scope) => Head;
  /** Somebody looks: what moves is to be heard. */
  readonly look: () => void;
  /** An act may have changed what stands. */
  readonly refresh: () => Promise<void>;
  readonly meter: Pick<ConsoleMeter, 'act'>;
  readonly log: Log;
  readonly page: PageFiles;
  readonly version: string;
  /** How long an act is waited for before it is answered as under way, ms. */
  readonly actMs: number;
}

/** A request whose sender is known. */
export interface Asked {
  readonly req: Request;
  readonly res: Response;
  readonly who: OperatorIdentity;
}

/** Answers; or refuses, which is answered for it. */
export type Handler = (deps: ApiDeps, asked: Asked) => Promise<Refusal | undefined> | Refusal | undefined;

export interface Route {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  /** undefined: any role. */
  readonly role: OperatorRole | undefined;
  readonly handle: Handler;
}

/** Who acts, for the log. */
export const operatorFacts = ({
  issuer,
  subject,
}: OperatorIdentity): { issuer: string; subject: string } => ({
  issuer,
  subject,
});

/** A call that this operator may see; undefined: there is none. */
export function visibleCall(
  { projection }: ApiDeps,
  { tenants }: OperatorIdentity,
  call: CallKey | undefined,
): ReturnType<Projection['get']> {
  const found = call === undefined ? undefined : projection.get(call);
  if (found === undefined || tenants === null) return found;
  return found.row.tenant !== null && tenants.includes(found.row.tenant) ? found : undefined;
}
