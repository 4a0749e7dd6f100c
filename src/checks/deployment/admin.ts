import { isRecord, parseJsonText } from '../../core/json.ts';
import { obstacles } from '../../server/readiness.ts';
import type { ProxySettings } from '../../settings/settings.ts';
import { doubtful, type Finding, right, wrong } from '../finding.ts';
import { networkTrouble } from '../network.ts';
import { type Answer, ask, describe } from './ask.ts';

const setting = 'TALLYLIGHT_ADMIN_PORT';
const page = '/readyz/gates';
const beside = 'Run this on the machine of the proxy (in its container), as its user, and with its settings';

/** What the instance of this machine says of itself on its admin port. */
export async function checkAdmin(
  url: string | undefined,
  { requestStart }: Pick<ProxySettings, 'requestStart'>,
): Promise<readonly Finding[]> {
  if (url === undefined)
    return [
      doubtful(
        setting,
        'is 0, so the admin port is not known, and the instance was not asked what is in the way of its gates',
        'Set a port',
      ),
    ];
  try {
    const ready = judge(await ask(url + page, {}));
    if (requestStart === undefined) return ready;
    return [...ready, ...starts(await ask(`${url}/metrics`, {}))];
  } catch (error) {
    const { why } = networkTrouble(error);
    return [doubtful(setting, `no instance answers at ${url}: ${why}`, beside)];
  }
}

function judge(answer: Answer): readonly Finding[] {
  const body = parseJsonText(answer.text);
  if (!isRecord(body) || typeof body.signalling !== 'boolean')
    return [doubtful(setting, `what answers on it, with ${describe(answer)}, is not Tallylight`, beside)];
  const found = Array.isArray(body.obstacles) ? (body.obstacles as unknown[]) : [];
  if (found.length === 0) return [right(page, 'signalling is carried, and gates may open')];
  return found.filter(isRecord).map(({ code, text }) => {
    const [, cure] = Object.entries(obstacles).find(([name]) => name === code)?.[1] ?? [
      '',
      'See docs/operate/readiness.md',
    ];
    return wrong('notReady', page, `${String(code)}: ${String(text)}`, cure.replace(/\.$/, ''));
  });
}

/** Problems with the start time that are of the edge's making. */
const ofTheEdge = ['untrusted', 'missing', 'repeated', 'malformed', 'future'];

function starts({ text }: Answer): readonly Finding[] {
  const at = 'TALLYLIGHT_REQUEST_START_HEADER';
  const refused = ofTheEdge.flatMap((why) => {
    const line = new RegExp(
      `^tallylight_request_starts_refused_total\\{[^}]*why="${why}"[^}]*\\} (\\d+)`,
      'm',
    );
    const count = Number(line.exec(text)?.[1] ?? 0);
    return count === 0 ? [] : [`${count} ${why}`];
  });
  return [
    refused.length === 0
      ? right(at, 'no write was refused for what an edge wrote into it')
      : doubtful(
          at,
          `writes were refused for it since the start of the instance: ${refused.join(', ')}`,
          'Let every edge write it, and name every edge in TALLYLIGHT_TRUSTED_PROXIES (docs/operate/edges.md)',
        ),
  ];
}
