import type { ConsoleRequest } from './console-client.ts';

/** Options that some commands of the console take; each has a value, but for those of `flags`. */
export const consoleOptions = ['state', 'tenant', 'app', 'since', 'limit', 'reason'] as const;
export const consoleFlags = ['attention', 'all'] as const;
export type ConsoleOption = (typeof consoleOptions)[number] | (typeof consoleFlags)[number];

export type ConsoleValues = Readonly<Partial<Record<ConsoleOption, string | boolean>>>;

export type ConsoleCommandName = 'calls' | 'call' | 'close' | 'holds' | 'hold' | 'release';

interface ConsoleCommandRow {
  /** What stands behind the name; absent: nothing. */
  readonly argument?: 'call' | 'hold';
  readonly options: readonly ConsoleOption[];
  readonly request: (argument: string, values: ConsoleValues) => ConsoleRequest;
  /** What is wrong with the options; undefined: nothing. */
  readonly wrong?: (values: ConsoleValues) => string | undefined;
}

const needsReason = ({ reason }: ConsoleValues): string | undefined =>
  reason === undefined ? '--reason is missing: say why, for the evidence' : undefined;

const scopes = ['all', 'tenant', 'app'] as const;

function wrongHold(values: ConsoleValues): string | undefined {
  const given = scopes.filter((name) => values[name] !== undefined);
  return given.length === 1 ? needsReason(values) : 'give exactly one of --all, --tenant and --app';
}

function queryOf(values: ConsoleValues): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) query.set(name, value === true ? '1' : String(value));
  return query.size === 0 ? '' : `?${query.toString()}`;
}

const part = (text: string): string => encodeURIComponent(text);

/** The commands that speak to a console. */
export const consoleCommands: Readonly<Record<ConsoleCommandName, ConsoleCommandRow>> = {
  calls: {
    options: ['state', 'tenant', 'app', 'since', 'attention', 'limit'],
    request: (_, values) => ({ method: 'GET', path: `/api/calls${queryOf(values)}` }),
  },
  call: {
    argument: 'call',
    options: [],
    request: (call) => ({ method: 'GET', path: `/api/calls/${part(call)}` }),
  },
  close: {
    argument: 'call',
    options: ['reason'],
    wrong: needsReason,
    request: (call, { reason }) => ({
      method: 'POST',
      path: `/api/calls/${part(call)}/close`,
      body: { reason },
    }),
  },
  holds: { options: [], request: () => ({ method: 'GET', path: '/api/holds' }) },
  hold: {
    options: ['all', 'tenant', 'app', 'reason'],
    wrong: wrongHold,
    request: (_, values) => ({ method: 'POST', path: '/api/hold', body: { ...values } }),
  },
  release: {
    argument: 'hold',
    options: ['reason'],
    wrong: needsReason,
    request: (id, { reason }) => ({
      method: 'POST',
      path: `/api/hold/${part(id)}/release`,
      body: { reason },
    }),
  },
};

export const isConsoleCommand = (word: string): word is ConsoleCommandName =>
  Object.hasOwn(consoleCommands, word);
