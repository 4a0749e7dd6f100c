import { isFault, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import { checkAdapters } from '../server/adapters.ts';
import { loadSettings, type ProxySettings, type Settings } from '../settings/settings.ts';
import { type Finding, wrong } from './finding.ts';

/** The settings, or what is wrong with them. */
export function readSettings(
  env: NodeJS.ProcessEnv,
): { readonly settings: Settings } | { readonly findings: readonly Finding[] } {
  try {
    return { settings: loadSettings(env) };
  } catch (error) {
    if (!isFault(error, 'ConfigurationInvalid')) throw error;
    return { findings: error.lines.map(ofLine) };
  }
}

/** A line begins with the setting, or with the place in a file. */
function ofLine(line: string): Finding {
  const setting =
    /\bTALLYLIGHT_\w+(?:\[\d+\]|\.\w+)*/.exec(line)?.[0] ?? /^\S+/.exec(line)?.[0] ?? 'settings';
  const text = line.startsWith(`${setting} `) ? line.slice(setting.length + 1) : line;
  return wrong(
    'configuration',
    setting,
    text,
    'Correct it; tallylight help settings describes every setting',
  );
}

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Keys and issuers that no adapter takes. */
export async function checkUse(settings: ProxySettings): Promise<readonly Finding[]> {
  try {
    await checkAdapters(settings, silent);
    return [];
  } catch (error) {
    if (!isFault(error, 'ConfigurationInvalid')) throw error;
    const [setting = 'settings', ...rest] = messageOf(error).split(': ');
    return [
      wrong(
        'configuration',
        setting,
        rest.join(': '),
        'Name the private key (PKCS #8, PEM) of the bot and the certificate that belongs to it',
      ),
    ];
  }
}
