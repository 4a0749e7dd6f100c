import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { format, resolveConfig } from 'prettier';
import { callEnds } from '../../../src/core/call/ends.ts';
import { contradictions } from '../../../src/core/call/roster.ts';
import { type StateName, stateNames, transitions } from '../../../src/core/call/state.ts';
import { actions, effects } from '../../../src/core/graph/action-table.ts';
import { actionName } from '../../../src/core/graph/identify-action.ts';
import { noticeOutcomes } from '../../../src/core/notices/outcomes.ts';
import { reasons } from '../../../src/core/reasons.ts';
import { metricsTable } from '../../../src/metrics/metrics.ts';
import { sandboxControl, usualScripts } from '../../../src/sandbox/control-table.ts';
import { obstacles } from '../../../src/server/readiness.ts';
import { settingsTable } from '../../../src/settings/settings.ts';
import { aclLine } from '../../../src/store/redis/permissions.ts';

/** Documents with tables that are generated. */
const documents = ['README.md', 'docs/operate/readiness.md', 'docs/operate/redis-user.md'];

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');

const named = (what: string, texts: Readonly<Record<string, string>>): string =>
  table(
    [what, 'what it means'],
    Object.entries(texts).map(([name, text]) => [`\`${name}\``, text]),
  );

/** Only the events that lead to another state are arrows; the rest happen within one. Reserved states stay out. */
function stateDiagram(): string {
  const reached = new Set(
    Object.values(transitions).flatMap((targets) =>
      Object.entries(targets).flatMap(([from, to]) => (from === to ? [] : [to])),
    ),
  );
  const arrows = Object.entries(transitions).flatMap(([event, targets]) =>
    Object.entries(targets as Partial<Record<StateName, StateName>>)
      .filter(([from, to]) => from !== to && reached.has(from as StateName))
      .map(([from, to]) => `  ${from} --> ${to}: ${event}`),
  );
  return ['```mermaid', 'stateDiagram-v2', `  [*] --> ${stateNames[0]}`, ...arrows, '```'].join('\n');
}

const sections: Readonly<Record<string, string>> = {
  states: stateDiagram(),
  actions: table(
    ['method', 'path below `/v1.0/` or `/beta/`', 'what it does to the gate', 'note'],
    actions.map((row) => [
      row.method,
      `\`${row.template}\`${row.version === undefined ? '' : ` (${row.version})`}`,
      effects[row.effect],
      row.why ?? '',
    ]),
  ),
  ends: named('how a call ends', callEnds),
  contradictions: named('contradiction', contradictions),
  notices: named('outcome', noticeOutcomes),
  sandbox: table(
    ['where', 'request', 'body', 'what it does'],
    sandboxControl.map(({ peer, request, body, what }) => [peer, `\`${request}\``, body, what]),
  ),
  scripts: table(
    ['`{"action": "updateRecordingStatus", …}`', 'Graph'],
    usualScripts.map(([rule, does]) => [`\`${rule}\``, does]),
  ),
  reasons: table(
    ['reason', 'status', 'what it says'],
    Object.entries(reasons).map(([code, [status, text]]) => [`\`${code}\``, String(status), text]),
  ),
  settings: table(
    ['setting', 'default', 'what it is'],
    settingsTable.map((row) => [`\`${row.name}\``, row.default, row.description]),
  ),
  obstacles: table(
    ['code', 'what it means', 'what to do'],
    Object.entries(obstacles).map(([code, [meaning, cure]]) => [`\`${code}\``, meaning, cure]),
  ),
  acl: ['```', aclLine('tallylight'), '```'].join('\n'),
  metrics: table(
    ['metric', 'type', 'labels', 'what it counts'],
    metricsTable.map((row) => [`\`${row.name}\``, row.type, row.labels.join(', '), row.help]),
  ),
};

describe('the documents', () => {
  test.each(documents)('%s repeats the tables of the code', async (name) => {
    const file = new URL(`../../../${name}`, import.meta.url);
    const before = readFileSync(file, 'utf8');
    const after = await format(
      before.replace(
        /(<!-- generated: (\w+) -->\n).*?(<!-- end -->)/gs,
        (_, begin: string, name: string, end: string) => {
          const section = sections[name];
          if (section === undefined) throw new Error(`there is no table "${name}"`);
          return `${begin}\n${section}\n\n${end}`;
        },
      ),
      { ...(await resolveConfig(file)), parser: 'markdown' },
    );
    if (process.env.TALLYLIGHT_WRITE_DOCS === '1') writeFileSync(file, after);
    else expect(before).toBe(after);
  });

  test('names every action by a short name of its own per method and path', () => {
    expect(new Set(actions.map(({ method, template }) => `${method} ${template}`)).size).toBe(actions.length);
    expect(actions.map(actionName).every((name) => name.length > 0)).toBe(true);
  });
});
