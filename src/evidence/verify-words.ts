import { callEnds } from '../core/call-ends.ts';
import { contradictions } from '../core/roster.ts';
import type { Report } from './verify.ts';
import { legFlags, type Leg, type RecordedInterval } from './verify-leg.ts';
import { linkKinds, type Conversation, type Link } from './verify-links.ts';

/** The report as text that ends with a newline. */
export function reportInWords(report: Report): string {
  const {
    misfit,
    files,
    records,
    calls,
    intervals,
    openIntervals,
    begunAnew,
    steps,
    repairs,
    unexplainedRepairs,
    head,
  } = report;
  const lines = [
    `${records} records of ${calls} calls in ${files} files`,
    `${intervals} recording intervals, ${openIntervals} of them open`,
    ...(begunAnew === 0 ? [] : [`${begunAnew} histories of calls that began anew`]),
    ...(steps === 0 ? [] : [`${steps} records written while the store's clock was behind the record before`]),
    ...(repairs === 0
      ? []
      : [
          `${repairs} repairs after crashes, ${unexplainedRepairs} of them of bytes that were not seen again`,
        ]),
    `head: ${head === null ? 'none' : `${head.hash} (line ${head.seq} of the journal)`}`,
  ];
  if (misfit === null) return [...lines, 'The evidence fits.', ''].join('\n');
  return [
    `The evidence does not fit. Up to there: ${lines.join('; ')}`,
    `  at        ${misfit.file}${misfit.line > 0 ? `:${misfit.line}` : ''}`,
    ...(misfit.call === null ? [] : [`  record    ${misfit.seq ?? '?'} of call ${misfit.call}`]),
    `  expected  ${misfit.expected}`,
    `  found     ${misfit.found}`,
    '',
  ].join('\n');
}

/** One conversation as text that ends with a newline; `number` is its place in the list, from 1. */
export function conversationInWords(conversation: Conversation, number: number): string {
  const { tenant, firstRecord, lastRecord, legs, links } = conversation;
  return [
    `Conversation ${number}: ${firstRecord} to ${lastRecord}`,
    `  tenant ${tenant ?? 'unknown'}, ${legs.length === 1 ? 'one call' : `${legs.length} calls`}`,
    ...links.flatMap(linkInWords),
    ...legs.flatMap(legInWords),
    '',
  ].join('\n');
}

function linkInWords({ by, id, calls, orFrom }: Link): string[] {
  const transfer = by === 'transferor';
  return [
    `  linked by ${linkKinds[by]} ${id}: ${calls.join(transfer ? ' to ' : ', ')}`,
    ...(orFrom.length === 0 ? [] : [`    which may have come from ${orFrom.join(' or ')} instead`]),
  ];
}

function legInWords(leg: Leg): string[] {
  const facts: readonly (readonly [name: string, values: readonly string[]])[] = [
    ['application', [leg.app ?? 'unknown']],
    ['policy', named(leg.policyIdentifier)],
    ['policy holder', named(leg.policyHolder)],
    ['other side', named(leg.otherSideUser)],
    ['originated by', named(leg.source)],
    ['on behalf of', named(leg.onBehalfOf)],
    ['transferred by', named(leg.transferor)],
    ['paired with', list(leg.pairedRecorders)],
    ['recorded also by', list(leg.otherRecorders)],
    ['records', [`${leg.firstRecord} to ${leg.lastRecord}`]],
    ['states told', list(leg.states)],
    ['recording', recordingInWords(leg)],
    ['failed starts', totals(leg.failedStarts)],
    ['refused writes', totals(leg.refusedWrites)],
    ['contradiction', leg.contradictions.map(contradictionInWords)],
    ['end', endInWords(leg)],
    ['note', leg.flags.map((flag) => legFlags[flag])],
  ];
  return [
    `  Call ${leg.call}`,
    ...facts.flatMap(([name, values]) =>
      values.map((value, index) => `    ${(index === 0 ? name : '').padEnd(18)}${value}`),
    ),
  ];
}

const named = (value: string | null): string[] => (value === null ? [] : [value]);
const list = (values: readonly string[]): string[] => (values.length === 0 ? [] : [values.join(', ')]);
const totals = (counts: Readonly<Record<string, number>>): string[] =>
  list(Object.entries(counts).map(([kind, count]) => `${kind} (${count})`));

function recordingInWords({ recorded, moreRecorded }: Leg): string[] {
  if (recorded.length === 0) return [];
  return [...recorded.map(intervalInWords), ...(moreRecorded === 0 ? [] : [`and ${moreRecorded} more`])];
}

function intervalInWords({ opened, closed, writes }: RecordedInterval): string {
  const times = `${opened ?? 'before the files'} to ${closed ?? 'no end that is known'}`;
  if (writes === null) return times;
  const unanswered = writes.unanswered === 0 ? '' : ` and ${writes.unanswered} never answered`;
  return `${times}, ${writes.admitted} writes let through, ${writes.aborted} of them aborted${unanswered}, ${writes.bytes} bytes`;
}

const contradictionInWords = ({ kind, first, count }: Leg['contradictions'][number]): string =>
  `${first}${count === 1 ? '' : ` and ${count - 1} times more`}, ${textOf(contradictions, kind)}`;

function endInWords({ ended, result }: Leg): string[] {
  const codes = result === null ? [] : [`code ${result.code ?? 'none'}, subcode ${result.subcode ?? 'none'}`];
  if (ended === null) return codes;
  return [ended.at, ...(ended.cause === null ? [] : [textOf(callEnds, ended.cause)]), ...codes];
}

/** The name, and what it means if this version knows it. */
const textOf = (texts: Readonly<Record<string, string>>, name: string): string =>
  Object.hasOwn(texts, name) ? `${name}: ${texts[name] ?? ''}` : name;
