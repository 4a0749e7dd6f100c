import diagnostics from 'node:diagnostics_channel';
import { createInterface } from 'node:readline';

/** Tells the requests of one command from those of another. */
export const commandHeader = 'x-command';

/** Does what standard input says, a JSON object on each line, and answers on standard output. */
export function serveCommands(run) {
  const running = new Map();
  // Below the packages: whatever they do by themselves is seen here.
  const note = (request, status, reason) => {
    const coding = request.getHeader('content-encoding') ?? null;
    running.get(request.getHeader(commandHeader))?.push({ method: request.method, coding, status, reason });
  };
  diagnostics.subscribe('http.client.response.finish', ({ request, response }) =>
    note(request, response.statusCode, response.headers['tallylight-reason'] ?? null),
  );
  diagnostics.subscribe('http.client.request.error', ({ request }) => note(request, 0, null));

  const answer = async ({ id, ...command }) => {
    const attempts = [];
    running.set(String(id), attempts);
    let outcome;
    try {
      outcome = { value: (await run(command, String(id))) ?? null };
    } catch (error) {
      outcome = { failure: failureOf(error) };
    }
    process.stdout.write(`${JSON.stringify({ id, attempts, ...outcome })}\n`);
  };
  createInterface({ input: process.stdin }).on('line', (line) => void answer(JSON.parse(line)));
  process.stdout.write('{"ready":true}\n');
}

/** The packages name the status of an answer in different places. */
const failureOf = (error) => ({
  status: error.statusCode ?? error.$metadata?.httpStatusCode ?? 0,
  code: error.code ?? error.name,
  reason: error.$response?.headers['tallylight-reason'] ?? null,
  text: String(error),
});
