import { exitCode } from '../server/exit-codes.ts';
import type { ConsoleCommand } from './arguments.ts';
import { askConsole } from './console-client.ts';
import { consoleText } from './console-text.ts';
import { print } from './print.ts';

/** Where the console of the sandbox is, unless its port was moved. */
const sandboxPort = '8085';

/** Speaks to a console, and has the process end with the code for its answer. */
export async function runConsoleCommand(command: ConsoleCommand, env: NodeJS.ProcessEnv): Promise<void> {
  const { name, request, json, tokenFile } = command;
  const url = command.url ?? `http://127.0.0.1:${env.TALLYLIGHT_CONSOLE_PORT ?? sandboxPort}`;
  const reply = await askConsole({ url, tokenFile }, request);
  if (reply.kind === 'answered') {
    await print([json ? `${JSON.stringify(reply.body)}\n` : consoleText(name, reply.body)]);
    process.exitCode = exitCode(reply.status === 202 ? 'incomplete' : 'success');
    return;
  }
  process.exitCode = exitCode('failure');
  process.stderr.write(
    reply.kind === 'refused'
      ? `tallylight: ${name}: ${reply.code}: ${reply.message}\n`
      : `tallylight: ${name}: no answer from the console at ${url}: ${reply.why}; name it with --url, or set TALLYLIGHT_CONSOLE_PORT\n`,
  );
}
