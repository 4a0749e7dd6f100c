import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';

export const usage = `usage: tallylight [sandbox] [--help]

  tallylight           starts the proxy if TALLYLIGHT_GRAPH_URL is set, and the sandbox otherwise
  tallylight sandbox   starts the sandbox: the proxy with a Graph, a media handler, a token mint
                       and a bot of its own, all on loopback
  -h, --help           prints this

Settings come from the environment and from the file that TALLYLIGHT_CONFIG names.
`;

export type Command =
  | { readonly kind: 'help' }
  /** `sandboxOnly`: the sandbox was asked for by name. */
  | { readonly kind: 'run'; readonly sandboxOnly: boolean }
  | { readonly kind: 'wrong'; readonly message: string };

/** Reads the arguments of the command line, without those of node itself. */
export function parseCommand(args: readonly string[]): Command {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      options: { help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
  } catch (error) {
    return { kind: 'wrong', message: messageOf(error) };
  }
  if (parsed.values.help === true) return { kind: 'help' };
  const [command, ...more] = parsed.positionals;
  const unknown = command === undefined || command === 'sandbox' ? more[0] : command;
  if (unknown !== undefined) return { kind: 'wrong', message: `unknown argument ${unknown}` };
  return { kind: 'run', sandboxOnly: command === 'sandbox' };
}
