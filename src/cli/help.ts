import { exitCodes } from '../server/exit-codes.ts';
import { settingsTable } from '../settings/settings.ts';

/** Where the width of the terminal is not known. */
const usualWidth = 100;

/** What `tallylight` prints about itself; docs/reference/command-line.md shows it. */
export const usage = `Usage: tallylight [COMMAND] [OPTION]

Commands:
  (none)          Start the proxy if TALLYLIGHT_GRAPH_URL is set, and the sandbox otherwise.
  sandbox         Start the sandbox: the proxy with a simulated Graph, a media handler, a token
                  issuer and a bot, all on loopback. The guide goes to standard output; the log
                  goes to standard error and holds warnings and errors only, unless the
                  environment sets TALLYLIGHT_LOG_LEVEL.
  check           Check the configuration without starting: settings, files, certificates,
                  policies, ports, Redis, key servers, Graph credentials. Prints what is right
                  (ok), doubtful (warn) and wrong (fail), with the setting and what to do.
  calls           List calls: --state, --tenant, --app, --since, --attention, --limit.
  call ID         Show one call with its evidence.
  close ID        Close the gate of a call: --reason TEXT. Participants are told where the proxy
                  has a Graph credential.
  holds           List the holds that stand.
  hold            Keep gates closed until the hold is released: one of --all, --tenant ID,
                  --app ID; --reason TEXT.
  release ID      Release a hold: --reason TEXT. No gate opens by it.
  help            Print this text.
  help settings   Print every setting with its default and its description.

Options:
  -h, --help      Print this text.
  -v, --version   Print the version.
  --json          With check and the commands of the console: print one JSON document.
  --url ORIGIN    Where the console is; default: http://127.0.0.1 at TALLYLIGHT_CONSOLE_PORT, or
                  at 8085, the console of the sandbox.
  --token-file F  File with the token of the operator. Not needed on loopback without issuers.

calls, call, close, holds, hold and release ask the console of a running proxy.

Settings come from the environment and from the YAML file that TALLYLIGHT_CONFIG names.
The proxy logs JSON lines to standard output. A mistake that prevents the start is reported on
standard error, in one line that names the setting.

Exit codes:
${exitCodeRows()}

tallylight-verify checks evidence; see tallylight-verify --help.
`;

function exitCodeRows(): string {
  return Object.values(exitCodes)
    .map(([code, meaning]) => `  ${code}  ${wrap(meaning, usualWidth - 5).join('\n     ')}`)
    .join('\n');
}

/** Every setting, in lines of at most `width` columns where the words allow it. */
export function settingsText(width = usualWidth): string {
  return settingsTable
    .map((row) => {
      const fallback = row.default === '' ? 'no default' : `default: ${row.default}`;
      const description = wrap(row.description, width - 4).map((line) => `    ${line}\n`);
      return `${row.name} (${fallback})\n${description.join('')}`;
    })
    .join('\n');
}

/** Breaks a text between words. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
