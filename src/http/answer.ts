import type { IncomingMessage, ServerResponse } from 'node:http';
import { refuse, type Decision } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import type { StageDeps } from './ports.ts';
import { answerRefusal } from './problem.ts';

/**
 * Runs the stages of one request. A refusal is answered; a fault becomes one, so that nothing opens by accident.
 * `granted` runs outside the stages: what goes wrong there is not theirs.
 */
export function answering(
  { log, meter, newId }: StageDeps,
  surface: 'control' | 'media' | 'notification',
  req: IncomingMessage,
  res: ServerResponse,
  stages: (requestId: string) => Promise<Decision<unknown>>,
  granted: () => void = () => undefined,
): void {
  const requestId = newId();
  stages(requestId)
    .catch((error: unknown) => {
      log.error({ requestId, surface, error: messageOf(error) }, 'a request failed inside the gate');
      meter.decision(surface, 'InternalFault');
      return refuse('InternalFault');
    })
    .then((decision) => {
      if (decision.ok) granted();
      else answerRefusal(req, res, decision, requestId);
    })
    .catch((error: unknown) => {
      log.error({ requestId, surface, error: messageOf(error) }, 'an answer could not be given');
      res.destroy();
    });
}
