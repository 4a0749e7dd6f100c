import { Fault } from '../core/errors.ts';

interface Place {
  readonly host: string;
  readonly port: number;
}

/** The setting that names the address of a port. */
export const hostSettingOf = (setting: string): string =>
  setting === 'TALLYLIGHT_CONSOLE_PORT' ? 'TALLYLIGHT_CONSOLE_HOST' : 'TALLYLIGHT_HOST';

const unresolvable = (setting: string, { host }: Place): string =>
  `${hostSettingOf(setting)}: ${host} cannot be resolved to an address; set an address`;

/** What keeps a server from listening and can be cured by a setting. */
const reasons: Readonly<Partial<Record<string, (setting: string, place: Place) => string>>> = {
  EADDRINUSE: (setting, { host, port }) =>
    `${setting}: port ${port} of ${host} is in use; stop the process that uses it, or choose another port`,
  EACCES: (setting, { port }) =>
    `${setting}: this process may not listen on port ${port}; choose a port above 1023, or grant CAP_NET_BIND_SERVICE`,
  ERR_SOCKET_BAD_PORT: (setting, { port }) => `${setting}: there is no port ${port}; choose a smaller one`,
  EADDRNOTAVAIL: (setting, { host }) =>
    `${hostSettingOf(setting)}: ${host} is not an address of this machine; set one that is`,
  ENOTFOUND: unresolvable,
  EAI_AGAIN: unresolvable,
};

/** The fault of a server that cannot listen where `setting` says, `CannotStart` where another setting cures it. */
export function cannotListen(setting: string, place: Place, error: unknown): unknown {
  const reason = reasons[(error as NodeJS.ErrnoException).code ?? ''];
  return reason === undefined ? error : new Fault('CannotStart', reason(setting, place), { cause: error });
}
