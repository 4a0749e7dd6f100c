import type { Backend } from '../../console/backend.ts';
import { messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import type { BackendAnswer, BackendQuestion } from './messages.ts';
import type { WorkerProcess } from './worker-process.ts';

type Ask = (...args: readonly unknown[]) => Promise<unknown>;

/** An answer, or none: what failed is logged by the worker that it failed in. */
export async function answerConsole(
  backend: Backend | undefined,
  { method, args }: BackendQuestion,
  log: Log | undefined,
): Promise<BackendAnswer> {
  try {
    // Their types are those of the method, on the other side.
    const known = backend as Readonly<Record<keyof Backend, Ask>> | undefined;
    return { value: await known?.[method](...args) };
  } catch (error) {
    log?.error(
      { question: method, error: messageOf(error) },
      'a question of the console could not be answered',
    );
    return {};
  }
}

const readMs = 3000;

/**
 * Asks the worker that has served longest. An act is waited for as long as its worker lives: it is bounded by the gate, and
 * whoever asked is answered before.
 */
export function backendOver(chosen: () => Pick<WorkerProcess, 'ask' | 'gone'> | undefined): Backend {
  const ask = async (method: keyof Backend, args: readonly unknown[], withinMs: number): Promise<never> => {
    const worker = chosen();
    const answer = await Promise.race([
      worker?.ask('console', withinMs, { method, args }),
      worker?.gone.then(() => undefined),
    ]);
    // Its type is that of the method, on the other side.
    return answer?.value as never;
  };
  return {
    call: (...args) => ask('call', args, readMs),
    status: (...args) => ask('status', args, readMs),
    activity: (...args) => ask('activity', args, readMs),
    close: (...args) => ask('close', args, actMs),
    hold: (...args) => ask('hold', args, actMs),
    release: (...args) => ask('release', args, actMs),
  };
}

/** Longer than any stop or hold may take: the largest drain limit, TTLs and Graph timeouts. */
const actMs = 10 * 60_000;
