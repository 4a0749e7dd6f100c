import type { IncomingMessage, ServerResponse } from 'node:http';
import { refuse, type Decision, type Refusal } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import type { StageDeps } from './ports.ts';
import { answerRefusal } from './problem.ts';

/**
 * Runs the stages of one request. A refusal is answered; a fault becomes a refusal, so that an error never opens a
 * gate. `granted` runs after the stages and may still refuse.
 */
export function runStages<Granted>(
  { log, meter, newId }: StageDeps,
  surface: 'control' | 'media' | 'notification',
  req: IncomingMessage,
  res: ServerResponse,
  stages: (requestId: string) => Promise<Decision<Granted>>,
  granted: (value: Granted) => Refusal | undefined = () => undefined,
): void {
  const requestId = newId();
  stages(requestId)
    .catch((error: unknown) => {
      log.error({ requestId, surface, error: messageOf(error) }, 'a request failed with an internal error');
      meter.decision(surface, 'InternalFault');
      return refuse('InternalFault');
    })
    .then((decision) => {
      const refusal = decision.ok ? granted(decision.value) : decision;
      if (refusal !== undefined) answerRefusal(req, res, refusal, requestId);
    })
    .catch((error: unknown) => {
      log.error({ requestId, surface, error: messageOf(error) }, 'a response could not be sent');
      res.destroy();
    });
}
