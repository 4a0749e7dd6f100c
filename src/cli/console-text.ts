import { isRecord } from '../core/json.ts';
import type { ConsoleCommandName } from './console-commands.ts';

/** A value of an answer, as a terminal may show it: control characters would act there. */
function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (isTextList(value)) return value.length === 0 ? '-' : value.map(shown).join(', ');
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\uFFFD');
}

const isTextList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');

type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (value: unknown): Fields => (isRecord(value) ? value : {});
const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);

const columns: readonly (readonly [title: string, of: (row: Fields) => unknown])[] = [
  ['STATE', ({ state }) => state],
  ['SINCE', ({ since }) => since],
  ['CALL', ({ id }) => id],
  ['TENANT', ({ tenant }) => tenant],
  ['APP', ({ app }) => app],
  ['WRITES', ({ writes }) => writes],
  ['BYTES', ({ bytes }) => bytes],
  ['ATTENTION', ({ attention }) => (Array.isArray(attention) ? attention.join(' ') : '')],
];

function table(rows: readonly Fields[]): string {
  const cells = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, of]) => shown(of(row)))),
  ];
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  return cells
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function callText(answer: Fields): string {
  const { evidence, ...facts } = answer;
  const names = Object.entries(facts).map(([name, value]) => `${name.padEnd(18)} ${shown(value)}`);
  const records = listOf(evidence).map(
    ({ at, event, from, to, detail }) =>
      `  ${shown(at)}  ${shown(event)} (${shown(from)} -> ${shown(to)})  ${shown(detail)}`,
  );
  return [...names, '', 'evidence, newest first', ...records].join('\n');
}

const scopeText = (scope: Fields): string =>
  scope.all === true
    ? 'all calls'
    : scope.tenant === undefined
      ? `application ${shown(scope.app)}`
      : `tenant ${shown(scope.tenant)}`;

function holdText(hold: Fields, when = 'since'): string {
  const by = fieldsOf(hold.by);
  return `${shown(hold.id)}  number ${shown(hold.number)}  ${scopeText(fieldsOf(hold.scope))}  ${when} ${shown(hold.at)}  by ${shown(by.subject)} (${shown(by.issuer)})  ${shown(hold.reason)}`;
}

const acknowledged = (answer: Fields): string =>
  answer.acknowledged === true
    ? 'Every live instance acts on it.'
    : 'Not every instance has confirmed it yet; it takes effect within one session TTL.';

const told: Readonly<Record<string, string>> = {
  graph: 'The gate is closed, and Graph was told.',
  nobody: 'The gate is closed. Graph was not told: there is no credential. The stop is unconfirmed.',
};

const texts: Readonly<Record<ConsoleCommandName, (answer: Fields) => string>> = {
  calls: (answer) =>
    [
      ...(listOf(answer.calls).length === 0 ? ['No call is listed.'] : [table(listOf(answer.calls))]),
      ...(typeof answer.next === 'string' ? ['There are more calls: raise --limit, or use a filter.'] : []),
      `as of ${shown(answer.asOf)}`,
    ].join('\n'),
  call: callText,
  close: (answer) =>
    typeof answer.told === 'string'
      ? (told[answer.told] ?? '')
      : `The gate is closing; the stop is not complete yet. State: ${shown(answer.state)}`,
  holds: (answer) => {
    const holds = listOf(answer.holds);
    return holds.length === 0 ? 'No hold stands.' : holds.map((hold) => holdText(hold)).join('\n');
  },
  hold: (answer) => `Hold set: ${holdText(fieldsOf(answer.hold))}\n${acknowledged(answer)}`,
  release: (answer) => `Hold released: ${holdText(fieldsOf(answer.hold), 'at')}\n${acknowledged(answer)}`,
};

/** What a person reads of an answer. */
export const consoleText = (name: ConsoleCommandName, answer: unknown): string =>
  `${texts[name](fieldsOf(answer))}\n`;
