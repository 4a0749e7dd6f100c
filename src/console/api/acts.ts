import { setTimeout as sleep } from 'node:timers/promises';
import { type CallKey, parseCallKey } from '../../core/call/key.ts';
import type { JsonObject } from '../../core/json.ts';
import { type Decision, type Refusal, refuse } from '../../core/decision.ts';
import type { ActOutcome, ConsoleAct } from '../../core/ports/console-meter.ts';
import type { OperatorIdentity } from '../../core/ports/operator.ts';
import type { ReasonCode } from '../../core/reasons.ts';
import type { Act, ChangedHold } from '../backend.ts';
import { readHold, readReason } from './body.ts';
import { type ApiDeps, type Asked, type Handler, operatorFacts } from './context.ts';
import { isGuid } from './query.ts';
import { mayNotHold } from './rights.ts';

const actOf = ({ issuer, subject }: OperatorIdentity, reason: string): Act => ({
  by: { issuer, subject },
  reason,
});

/** An act takes as long as writes take to end: whoever asks is answered before. */
async function inTime<T>({ actMs }: ApiDeps, act: Promise<T>): Promise<T | 'underWay'> {
  // What is refused later is logged by the instance that acts.
  act.catch(() => undefined);
  return Promise.race([act, sleep(actMs, 'underWay' as const, { ref: false })]);
}

const texts: Readonly<Record<ConsoleAct, string>> = {
  close: 'an operator closed a call by hand',
  hold: 'an operator set a hold',
  release: 'an operator released a hold',
};

function tell(
  { log, meter }: ApiDeps,
  { who }: Asked,
  act: ConsoleAct,
  outcome: ActOutcome,
  facts: JsonObject,
): void {
  meter.act(act, outcome);
  log.info({ ...operatorFacts(who), outcome, ...facts }, texts[act]);
}

/** Refusals of acts are no evidence: nothing has happened. */
function refused({ log, meter }: ApiDeps, { who }: Asked, act: ConsoleAct, refusal: Refusal): Refusal {
  meter.act(act, 'refused');
  log.warn({ ...operatorFacts(who), act, reason: refusal.reason }, 'an act of an operator was refused');
  return refusal;
}

/** Why a stop may be incomplete that goes on by itself. */
const repeated: ReadonlySet<ReasonCode> = new Set(['StatusInProgress', 'DrainTimeout', 'StoreFresh']);

const noAnswer: Refusal = refuse('StoreUnavailable', { detail: 'no instance answered', retryAfterMs: 1000 });

/** `POST /api/calls/{id}/close` */
export const close: Handler = async (deps, asked) => {
  const reason = readReason(asked.req);
  if (!reason.ok) return refused(deps, asked, 'close', reason);
  const call = parseCallKey(String(asked.req.params.id));
  if (call === undefined || !(await mayAct(deps, asked, call)))
    return refused(deps, asked, 'close', refuse('CallNotFound'));
  const closed = await inTime(deps, deps.backend.close(call, actOf(asked.who, reason.value)));
  // The gate is closed already, and the instance repeats the rest.
  const isUnderWay = closed === 'underWay' || (closed?.ok === false && repeated.has(closed.reason));
  if (!isUnderWay && closed?.ok !== true) return refused(deps, asked, 'close', closed ?? noAnswer);
  const told = !isUnderWay && closed.ok ? closed.value.told : null;
  const state = (await deps.backend.call(call))?.state ?? deps.projection.get(call)?.row.state ?? 'stopping';
  tell(deps, asked, 'close', isUnderWay ? 'underWay' : 'done', { call, told });
  asked.res.status(isUnderWay ? 202 : 200).json({ state, told, reason: reason.value });
  return undefined;
};

/** Whose call it is may be known to the store alone. */
async function mayAct({ projection, backend }: ApiDeps, { who }: Asked, call: CallKey): Promise<boolean> {
  if (who.tenants === null) return true;
  const tenant = projection.get(call)?.row.tenant ?? (await backend.call(call))?.binding?.tenant;
  return tenant !== undefined && who.tenants.includes(tenant);
}

/** `POST /api/hold` */
export const hold: Handler = async (deps, asked) => {
  const read = readHold(asked.req);
  if (!read.ok) return refused(deps, asked, 'hold', read);
  const { scope, reason } = read.value;
  const notAllowed = mayNotHold(asked.who, scope);
  if (notAllowed !== undefined) return refused(deps, asked, 'hold', notAllowed);
  return answerHold(deps, asked, 'hold', await deps.backend.hold(scope, actOf(asked.who, reason)));
};

/** `DELETE /api/hold/{id}`, `POST /api/hold/{id}/release` */
export const release: Handler = async (deps, asked) => {
  const reason = readReason(asked.req);
  if (!reason.ok) return refused(deps, asked, 'release', reason);
  const id = asked.req.params.id;
  await deps.refresh();
  const standing = deps.headFor(null).holds.find((each) => each.id === id);
  // What another operator may see is not told to whoever may not.
  if (!isGuid(id) || (asked.who.tenants !== null && standing === undefined))
    return refused(deps, asked, 'release', refuse('HoldNotFound'));
  const notAllowed = standing && mayNotHold(asked.who, standing.scope);
  if (notAllowed !== undefined) return refused(deps, asked, 'release', notAllowed);
  return answerHold(deps, asked, 'release', await deps.backend.release(id, actOf(asked.who, reason.value)));
};

async function answerHold(
  deps: ApiDeps,
  asked: Asked,
  act: 'hold' | 'release',
  changed: Decision<ChangedHold> | undefined,
): Promise<Refusal | undefined> {
  await deps.refresh();
  if (changed?.ok !== true) return refused(deps, asked, act, changed ?? noAnswer);
  const { hold: changedHold, acknowledged } = changed.value;
  const { id, number, scope } = changedHold;
  tell(deps, asked, act, acknowledged ? 'done' : 'underWay', { hold: id, number, scope });
  asked.res.status(acknowledged ? 200 : 202).json({ hold: changedHold, acknowledged });
  return undefined;
}
