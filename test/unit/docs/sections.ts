import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { attentionKinds } from '../../../src/console/projection/attention.ts';
import { parseCallKey } from '../../../src/core/call/key.ts';
import { callEnds } from '../../../src/core/call/ends.ts';
import { chain } from '../../../src/core/call/evidence.ts';
import { lineKinds } from '../../../src/core/call/evidence-lines.ts';
import { contradictions } from '../../../src/core/call/roster.ts';
import { type StateName, stateNames, transitions, unknownCall } from '../../../src/core/call/state.ts';
import { actions, effects } from '../../../src/core/graph/action-table.ts';
import { noticeOutcomes } from '../../../src/core/notices/outcomes.ts';
import { reasons, textOf } from '../../../src/core/reasons.ts';
import { emptyHead, encodeLine } from '../../../src/evidence/journal/journal.ts';
import { callFlags } from '../../../src/evidence/verify/call.ts';
import { reportText } from '../../../src/evidence/verify/text-report.ts';
import { verifyJournal } from '../../../src/evidence/verify/verify.ts';
import { metricsTable } from '../../../src/metrics/table.ts';
import { policySchema } from '../../../src/policies/schema.ts';
import { sandboxControl, usualScripts } from '../../../src/sandbox/control-table.ts';
import { obstacles } from '../../../src/server/readiness.ts';
import { settingsTable } from '../../../src/settings/settings.ts';
import { aclLine } from '../../../src/store/redis/permissions.ts';
import { refusedWrites, start, who } from '../../support/evidence/history.ts';
import { alerts } from '../../support/prometheus-rules.ts';

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
  return block('mermaid', `${['stateDiagram-v2', `  [*] --> ${stateNames[0]}`, ...arrows].join('\n')}\n`);
}

/** A refused start, whose answer came when the clock had been set back, and writes of a call that nobody knows. */
function evidenceExample(): string {
  const common = { call: parseCallKey('57dab8b1894c409ab240bd8beae78896')!, policy: null, by: who };
  const asked = chain(
    unknownCall,
    { ...unknownCall, state: 'starting', epoch: start },
    { ...common, at: start, event: 'startRequested', instance: 'session-1', detail: {} },
  );
  const refused = chain(
    asked.state,
    { ...asked.state, state: 'idle' },
    {
      ...common,
      at: start + 250 - 3_600_000,
      event: 'startRefused',
      instance: 'session-1',
      detail: { outcome: 'refused', code: '8506' },
    },
  );
  const first = encodeLine(emptyHead, { record: asked.record });
  const second = encodeLine(first.head, { record: refused.record });
  const third = encodeLine(second.head, { refusedWrites: refusedWrites() });
  return first.text + second.text + third.text;
}

interface FieldSchema {
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
}

/** What the verifier reports of a journal of one file. */
async function reportOf(journal: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-report-'));
  try {
    const file = join(directory, 'evidence-2026-01-31.jsonl');
    await writeFile(file, journal);
    return reportText(await verifyJournal([file])).replaceAll(`${directory}/`, '');
  } finally {
    await rm(directory, { recursive: true });
  }
}

const block = (language: string, text: string): string => `\`\`\`${language}\n${text}\`\`\``;

/** A refusal as a client receives it. */
const envelope = {
  error: {
    code: 'RecordingNotActive',
    message: textOf('RecordingNotActive'),
    innerError: {
      date: '2026-01-31T12:00:00',
      'request-id': '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
      'client-request-id': '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
    },
  },
};

/** The fields that a policy may choose, from the schema that the program checks. */
function policyFields(): string {
  const { properties = {} } = z.toJSONSchema(policySchema, { io: 'input', target: 'draft-2020-12' });
  const fields = Object.entries(properties as Record<string, FieldSchema>).filter(
    ([name]) => name !== '$schema',
  );
  return table(
    ['field', 'values', 'default', 'what it decides'],
    fields.map(([name, field]) => [
      `\`${name}\``,
      (field.enum ?? []).map((value) => `\`${value}\``).join(', '),
      field.default === undefined ? '' : `\`${JSON.stringify(field.default)}\``,
      field.description ?? '',
    ]),
  );
}

const journal = evidenceExample();
const changedJournal = journal.replace('"outcome":"refused"', '"outcome":"unknown"');

/** The generated parts of the documents, by name. */
export const sections: Readonly<Record<string, string>> = {
  states: stateDiagram(),
  transitions: table(
    ['event', 'from', 'to'],
    Object.entries(transitions).flatMap(([event, targets]) =>
      Object.entries(targets).map(([from, to]) => [`\`${event}\``, `\`${from}\``, `\`${to}\``]),
    ),
  ),
  lineKinds: table(
    ['kind', 'version', 'what it holds'],
    Object.entries(lineKinds).map(([kind, { version, holds }]) => [`\`${kind}\``, String(version), holds]),
  ),
  example: block('jsonl', journal),
  report: block('text', await reportOf(journal)),
  misfit: block('text', await reportOf(changedJournal)),
  flags: named('note', callFlags),
  actions: table(
    ['method', 'path below `/v1.0/` or `/beta/`', 'what it does to the gate', 'note'],
    actions.map((row) => [
      row.method,
      `\`${row.template}\`${row.version === undefined ? '' : ` (${row.version})`}`,
      effects[row.effect],
      row.why ?? '',
    ]),
  ),
  envelope: block('json', `${JSON.stringify(envelope, null, 2)}\n`),
  ends: named('how a call ends', callEnds),
  contradictions: named('contradiction', contradictions),
  attention: named(
    'attention',
    Object.fromEntries(Object.entries(attentionKinds).map(([name, { text }]) => [name, text])),
  ),
  notices: named('outcome', noticeOutcomes),
  policies: policyFields(),
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
  alerts: table(
    ['alert', 'severity', 'what happened'],
    [...new Set(alerts.map(({ alert }) => alert))].map((name) => {
      const rules = alerts.filter(({ alert }) => alert === name);
      const severities = new Set(rules.map(({ labels }) => labels.severity ?? ''));
      return [`[${name}](${name}.md)`, [...severities].join(', '), rules[0]?.annotations.summary ?? ''];
    }),
  ),
  acl: block('', `${aclLine('tallylight')}\n`),
  metrics: table(
    ['metric', 'type', 'labels', 'instances', 'what it counts'],
    metricsTable.map((row) => [`\`${row.name}\``, row.type, row.labels.join(', '), row.combine, row.help]),
  ),
};
