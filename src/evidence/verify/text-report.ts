import { callEnds } from '../../core/call/ends.ts';
import { contradictions } from '../../core/call/roster.ts';
import { type CallSummary, callFlags, type RecordedInterval } from './call.ts';
import { type Conversation, type Link, linkKinds } from './links.ts';
import type { Report } from './verify.ts';

/** The report as text that ends with a newline. */
export function reportText(report: Report): string {
  const { misfit, otherMisfits, moreMisfits, head } = report;
  const lines = [
    `${report.records} records of ${report.calls} calls in ${report.files} files`,
    `${report.intervals} recording intervals, ${report.openIntervals} of them open`,
    ...counted(report.begunAnew, 'histories of calls that began anew'),
    ...counted(report.steps, "records written while the store's clock was behind the record before"),
    ...counted(report.refusedWrites, 'refused writes in lines without a call'),
    ...counted(report.countsLost, 'instances ended without reporting what they had refused last'),
    ...counted(report.moves, 'times the evidence was moved here from another directory'),
    ...counted(
      report.repairs,
      `repairs after crashes, ${report.unexplainedRepairs} of them of bytes that were not seen again`,
    ),
    `head: ${head === null ? 'none' : `${head.hash} (line ${head.seq} of the journal)`}`,
  ];
  if (misfit === null) return [...lines, 'The evidence fits.', ''].join('\n');
  const all = [misfit, ...otherMisfits];
  return [
    `The evidence does not fit. What could be read: ${lines.join('; ')}`,
    ...all.flatMap(misfitInWords),
    ...counted(moreMisfits, 'more places that do not fit are not listed'),
    ...(all.length > 1 ? ['A place that does not fit may be a consequence of one before it.'] : []),
    '',
  ].join('\n');
}

const counted = (count: number, what: string): string[] => (count === 0 ? [] : [`${count} ${what}`]);

const misfitInWords = ({
  file,
  line,
  call,
  seq,
  expected,
  found,
}: NonNullable<Report['misfit']>): string[] => [
  `  at        ${file}${line > 0 ? `:${line}` : ''}`,
  ...(call === null ? [] : [`  record    ${seq ?? '?'} of call ${call}`]),
  `  expected  ${expected}`,
  `  found     ${found}`,
];

/** One conversation as text that ends with a newline; `number` is its place in the list, from 1. */
export function conversationText(conversation: Conversation, number: number): string {
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

function legInWords(leg: CallSummary): string[] {
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
    ['note', leg.flags.map((flag) => callFlags[flag])],
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

function recordingInWords({ recorded, moreRecorded }: CallSummary): string[] {
  if (recorded.length === 0) return [];
  return [...recorded.map(intervalInWords), ...(moreRecorded === 0 ? [] : [`and ${moreRecorded} more`])];
}

function intervalInWords({ opened, closed, writes }: RecordedInterval): string {
  const times = `${opened ?? 'before the files'} to ${closed ?? 'no end that is known'}`;
  if (writes === null) return times;
  const unanswered = writes.unanswered === 0 ? '' : ` and ${writes.unanswered} never answered`;
  return `${times}, ${writes.admitted} writes let through, ${writes.aborted} of them aborted${unanswered}, ${writes.bytes} bytes${discardsInWords(writes)}`;
}

const discardsInWords = ({
  discarded = 0,
  notDiscarded = 0,
}: NonNullable<RecordedInterval['writes']>): string =>
  discarded + notDiscarded === 0
    ? ''
    : `; handlers agreed to discard ${discarded} of the ${discarded + notDiscarded} writes that were cut`;

const contradictionInWords = ({ kind, first, count }: CallSummary['contradictions'][number]): string =>
  `${first}${count === 1 ? '' : ` and ${count - 1} times more`}, ${textOf(contradictions, kind)}`;

function endInWords({ ended, result }: CallSummary): string[] {
  const codes = result === null ? [] : [`code ${result.code ?? 'none'}, subcode ${result.subcode ?? 'none'}`];
  if (ended === null) return codes;
  return [ended.at, ...(ended.cause === null ? [] : [textOf(callEnds, ended.cause)]), ...codes];
}

/** The name, and what it means if this version knows it. */
const textOf = (texts: Readonly<Record<string, string>>, name: string): string =>
  Object.hasOwn(texts, name) ? `${name}: ${texts[name] ?? ''}` : name;
