import { messageOf } from '../../core/errors.ts';
import type { Effect } from '../../core/graph-actions.ts';
import { readJson } from '../body.ts';
import { graphAccepts } from '../graph-proof.ts';
import { askedFacts, type CallRequest } from './context.ts';
import { hangUpRequest } from './hang-up.ts';
import { stopRequest } from './recording-status.ts';
import { judgeStatusBody } from '../../core/graph-bodies.ts';
import type { StopRequest } from '../../gate/stop.ts';
import type { RawAnswer } from '../../core/exchange.ts';

/**
 * `graph` mode, while Graph itself does not answer: a stop whose token names those the call belongs to closes the gate
 * here until Graph says whether it takes the token. The claims of an unverified token never do more.
 */
export async function holdUnproven(request: CallRequest, effect: Effect): Promise<void> {
  const { deps, call, caller, req } = request;
  if (caller.who === null) return;
  const stop = await stopIn(request, effect);
  if (stop === undefined) return;
  const held = deps.gate.holdClosed({
    call,
    by: caller.who,
    cause: stop.cause,
    from: deps.clientAddress(req),
    name: caller.tokenHash,
    detail: askedFacts(request),
    ask: () => graphAccepts(request),
    // Whoever asked has long been answered: the bound of the stop begins anew.
    stop: () => deps.gate.stop({ ...stop, askedAt: deps.now() }),
  });
  held.catch((error: unknown) =>
    deps.log.error({ call, error: messageOf(error) }, 'a stop that Graph could not confirm was not held'),
  );
}

/** The stop that is asked for; undefined: it is none. */
async function stopIn(request: CallRequest, effect: Effect): Promise<StopRequest<RawAnswer> | undefined> {
  if (effect === 'hangUp') return hangUpRequest(request, request.call, request.caller.who);
  if (effect !== 'recordingStatus') return undefined;
  const body = await readJson(request.req, request.deps.limits.json);
  const asked = body.ok ? judgeStatusBody(body.value.value) : body;
  if (!body.ok || !asked.ok || asked.value.status === 'recording') return undefined;
  return stopRequest(request, body.value, asked.value.status);
}
