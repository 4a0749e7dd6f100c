import type { IncomingMessage, ServerResponse } from 'node:http';
import { refuse, type Decision, type Refusal } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import { idFacts } from '../core/http/request-ids.ts';
import type { StageDeps } from './ports.ts';
import { answerRefusal } from './problem.ts';
import type { RequestFacts, Surface } from './request-log.ts';

/**
 * Runs the stages of one request. A refusal is answered; a fault becomes a refusal, so that an error never opens a
 * gate. `granted` runs after the stages and may still refuse.
 */
export function runStages<Granted>(
  { log, meter, newId, now, requests }: StageDeps,
  surface: Surface,
  req: IncomingMessage,
  res: ServerResponse,
  stages: (facts: RequestFacts) => Promise<Decision<Granted>>,
  granted: (value: Granted) => Refusal | undefined = () => undefined,
): void {
  const facts = requests.begin(req, surface, newId(), now());
  const { requestId } = facts;
  stages(facts)
    .catch((error: unknown) => {
      log.error(
        { ...idFacts(facts), surface, error: messageOf(error) },
        'a request failed with an internal error',
      );
      meter.decision(surface, 'InternalFault');
      return refuse('InternalFault');
    })
    .then((decision) => {
      const refusal = decision.ok ? granted(decision.value) : decision;
      if (refusal !== undefined) {
        requests.refused(facts, refusal);
        answerRefusal(req, res, refusal, requestId);
      }
      requests.answered?.(facts, req, res);
    })
    .catch((error: unknown) => {
      log.error({ ...idFacts(facts), surface, error: messageOf(error) }, 'a response could not be sent');
      res.destroy();
    });
}
