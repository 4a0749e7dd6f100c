import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';
import type { ConsoleRequest } from './console-client.ts';
import {
  type ConsoleCommandName,
  consoleCommands,
  consoleFlags,
  type ConsoleOption,
  consoleOptions,
  type ConsoleValues,
  isConsoleCommand,
} from './console-commands.ts';

export interface ConsoleCommand {
  readonly kind: 'console';
  readonly name: ConsoleCommandName;
  readonly request: ConsoleRequest;
  /** Where the console is; undefined: where the settings of this machine say. */
  readonly url: string | undefined;
  readonly tokenFile: string | undefined;
  readonly json: boolean;
}

export type Command =
  | { readonly kind: 'help' | 'version' | 'settings' }
  /** `sandboxOnly`: the sandbox was asked for by name. */
  | { readonly kind: 'run'; readonly sandboxOnly: boolean }
  | { readonly kind: 'check'; readonly json: boolean }
  | ConsoleCommand
  | { readonly kind: 'wrong'; readonly message: string };

/** Every command of this machine by its words. */
const commands = new Map<string, Command>([
  ['', { kind: 'run', sandboxOnly: false }],
  ['sandbox', { kind: 'run', sandboxOnly: true }],
  ['check', { kind: 'check', json: false }],
  ['help', { kind: 'help' }],
  ['help settings', { kind: 'settings' }],
]);

/** Options of every command that speaks to a console. */
const access = ['url', 'token-file', 'json'] as const;

const withValue = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

const options = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
  json: flag,
  url: withValue,
  'token-file': withValue,
  ...(Object.fromEntries(consoleOptions.map((name) => [name, withValue])) as Record<
    (typeof consoleOptions)[number],
    typeof withValue
  >),
  ...(Object.fromEntries(consoleFlags.map((name) => [name, flag])) as Record<
    (typeof consoleFlags)[number],
    typeof flag
  >),
} as const;

type Values = ReturnType<typeof parse>['values'];

const parse = (args: readonly string[]) => parseArgs({ args: [...args], options, allowPositionals: true });

const wrong = (message: string): Command => ({ kind: 'wrong', message });

/** Reads the arguments of the command line, without those of node itself. */
export function parseCommand(args: readonly string[]): Command {
  let parsed;
  try {
    parsed = parse(args);
  } catch (error) {
    // What follows the first sentence is advice on how to write an option's name as an argument.
    return wrong(messageOf(error).replace(/\. .*/s, ''));
  }
  const { values, positionals } = parsed;
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const [word = '', ...rest] = positionals;
  if (isConsoleCommand(word)) return consoleCommand(word, rest, values);
  const command = find(positionals);
  const given = Object.keys(values);
  if (given.length === 0 || command.kind === 'wrong') return command;
  const misplaced = given.find((name) => name !== 'json' || command.kind !== 'check');
  if (command.kind === 'check' && misplaced === undefined) return { ...command, json: true };
  return wrong(`--${misplaced ?? ''} is no option of ${word === '' ? 'the proxy' : word}`);
}

function consoleCommand(name: ConsoleCommandName, rest: readonly string[], values: Values): Command {
  const row = consoleCommands[name];
  const [argument = '', ...more] = row.argument === undefined ? ['', ...rest] : rest;
  if (row.argument !== undefined && argument === '')
    return wrong(`${name} needs the id of a ${row.argument}`);
  if (more[0] !== undefined) return wrong(`unknown argument ${more[0]}`);
  const allowed: readonly string[] = [...access, ...row.options];
  const misplaced = Object.keys(values).find((option) => !allowed.includes(option));
  if (misplaced !== undefined) return wrong(`--${misplaced} is no option of ${name}`);
  const { url, 'token-file': tokenFile, json = false, ...others } = values;
  const given = pick(others, row.options);
  const problem = row.wrong?.(given) ?? (url === undefined ? undefined : wrongUrl(url));
  if (problem !== undefined) return wrong(problem);
  return { kind: 'console', name, request: row.request(argument, given), url, tokenFile, json };
}

const pick = (values: Readonly<Record<string, unknown>>, names: readonly ConsoleOption[]): ConsoleValues =>
  Object.fromEntries(names.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])));

const wrongUrl = (url: string): string | undefined =>
  /^https?:\/\/[^/?#]+\/?$/i.test(url) && URL.canParse(url)
    ? undefined
    : '--url must be an origin such as https://console.example';

/** The longest beginning that is a command says which word is too much. */
function find(words: readonly string[]): Command {
  for (let known = words.length; known >= 0; known--) {
    const command = commands.get(words.slice(0, known).join(' '));
    if (command === undefined) continue;
    const unknown = words[known];
    return unknown === undefined ? command : wrong(`unknown argument ${unknown}`);
  }
  return { kind: 'help' };
}
