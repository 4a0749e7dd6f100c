import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';

export type Command =
  | { readonly kind: 'help' | 'version' | 'settings' }
  /** `sandboxOnly`: the sandbox was asked for by name. */
  | { readonly kind: 'run'; readonly sandboxOnly: boolean }
  | { readonly kind: 'check'; readonly json: boolean }
  /** `tokenFile`: a file with an access token of a bot. */
  | { readonly kind: 'doctor'; readonly json: boolean; readonly tokenFile?: string }
  | { readonly kind: 'wrong'; readonly message: string };

/** Every command by its words. */
const commands = new Map<string, Command>([
  ['', { kind: 'run', sandboxOnly: false }],
  ['sandbox', { kind: 'run', sandboxOnly: true }],
  ['check', { kind: 'check', json: false }],
  ['doctor', { kind: 'doctor', json: false }],
  ['help', { kind: 'help' }],
  ['help settings', { kind: 'settings' }],
]);

/** Reads the arguments of the command line, without those of node itself. */
export function parseCommand(args: readonly string[]): Command {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
        json: { type: 'boolean' },
        'token-file': { type: 'string' },
      },
      allowPositionals: true,
    });
  } catch (error) {
    // What follows the first sentence is advice on how to write an option's name as an argument.
    return { kind: 'wrong', message: messageOf(error).replace(/\. .*/s, '') };
  }
  const { values, positionals } = parsed;
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  return withOptions(find(positionals), values);
}

function withOptions(
  command: Command,
  { json = false, 'token-file': tokenFile }: { readonly json?: boolean; readonly 'token-file'?: string },
): Command {
  if (command.kind === 'wrong') return command;
  if (tokenFile !== undefined && command.kind !== 'doctor')
    return { kind: 'wrong', message: '--token-file is an option of doctor only' };
  if (!json && tokenFile === undefined) return command;
  if (command.kind === 'check') return { ...command, json };
  if (command.kind === 'doctor')
    return { ...command, json, ...(tokenFile === undefined ? {} : { tokenFile }) };
  return { kind: 'wrong', message: '--json is an option of check and doctor only' };
}

/** The longest beginning that is a command says which word is too much. */
function find(words: readonly string[]): Command {
  for (let known = words.length; known >= 0; known--) {
    const command = commands.get(words.slice(0, known).join(' '));
    if (command === undefined) continue;
    const unknown = words[known];
    return unknown === undefined ? command : { kind: 'wrong', message: `unknown argument ${unknown}` };
  }
  return { kind: 'help' };
}
