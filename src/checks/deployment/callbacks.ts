import type { ProxySettings } from '../../settings/settings.ts';
import { doubtful, type Finding, right, wrong } from '../finding.ts';
import { networkTrouble } from '../network.ts';
import { answererOf, explained } from './answered-by.ts';
import { type Answer, ask, describe } from './ask.ts';
import { otherAnswerer } from './edge.ts';
import { pathFor, type Place } from './places.ts';

/** Whether notifications reach the proxy: one without a token is refused by it, and changes nothing. */
export const checkCallbacks = (
  { url }: Place,
  { callbacks }: Pick<ProxySettings, 'callbacks'>,
  call: string,
): Promise<readonly Finding[]> =>
  Promise.all(
    callbacks.map(async ({ path }, index): Promise<Finding> => {
      const setting = `TALLYLIGHT_CALLBACKS[${index}].path`;
      const target = url + pathFor(path, call);
      try {
        const headers = { 'content-type': 'application/json' };
        return judge(setting, target, await ask(target, { method: 'POST', headers, body: '{}' }));
      } catch (error) {
        const { why, cure } = networkTrouble(error);
        return wrong('notReady', setting, `${target} does not answer: ${why}`, cure);
      }
    }),
  );

function judge(setting: string, target: string, answer: Answer): Finding {
  const who = answererOf(answer);
  if (who.by !== 'proxy')
    return wrong(
      'notReady',
      setting,
      `a notification to ${target} is answered with ${describe(answer)} without Tallylight-Reason, so it does not reach the proxy`,
      otherAnswerer,
    );
  return answer.status === 401
    ? right(setting, `a notification to ${target} reaches the proxy`)
    : doubtful(
        setting,
        `a notification without a token to ${target} is answered with ${explained(who.reason, answer)}, not with 401`,
        'See /readyz/gates, and docs/reference/reasons.md',
      );
}
