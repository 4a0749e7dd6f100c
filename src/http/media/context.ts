import type { IncomingMessage, ServerResponse } from 'node:http';
import { toGuid } from '../../core/call/key.ts';
import type { MediaRoute, RouteMatch } from '../../core/http/media-route.ts';
import type { Identity } from '../../core/ports/identity.ts';
import type { Revocations } from '../../core/ports/revocations.ts';
import type { PassingWrite } from '../../gate/write.ts';
import type { IdentifyDeps } from '../identify-media.ts';
import type { MediaPort } from '../ports.ts';

/** A route with the handler behind it. */
export interface ServedRoute extends MediaRoute {
  readonly handler: MediaPort;
}

export interface MediaDeps extends IdentifyDeps {
  readonly routes: readonly ServedRoute[];
  /** undefined: there is no revocation list. */
  readonly revocations?: Revocations | undefined;
}

export interface MediaRequest {
  readonly deps: MediaDeps;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly match: RouteMatch<ServedRoute>;
  readonly who: Identity;
}

export const callHeaders = (
  { call }: RouteMatch,
  write?: PassingWrite,
): Readonly<Record<string, string>> => ({
  'tallylight-call': toGuid(call),
  ...(write === undefined
    ? {}
    : {
        ...(write.epoch === null ? {} : { 'tallylight-epoch': String(write.epoch) }),
        'tallylight-write': write.id,
      }),
});
