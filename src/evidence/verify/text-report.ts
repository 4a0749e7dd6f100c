import { callEnds } from '../../core/call/ends.ts';
import { scopeName } from '../../core/call/hold.ts';
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
    ...counted(report.begunAnew, 'histories of calls that restarted (the store lost or expired the call)'),
    ...counted(report.steps, 'records written while the clock of the store was behind the previous record'),
    ...counted(report.refusedWrites, 'refused writes without a call record'),
    ...counted(report.countsLost, 'instances ended without reporting their latest refused writes'),
    ...counted(report.holdsSet, `holds set by operators, ${report.holdsReleased} releases`),
    ...report.standingHolds.map(
      ({ id, scope, at }) => `hold ${id} on ${scopeName(scope)} has stood since ${at}`,
    ),
    ...counted(report.moves, 'moves of the evidence from another directory to this one'),
    ...counted(
      report.repairs,
      `repairs after crashes; the truncated bytes of ${report.unexplainedRepairs} of them were not written again`,
    ),
    `head: ${head === null ? 'none' : `${head.hash} (line ${head.seq} of the journal)`}`,
  ];
  if (misfit === null) return [...lines, 'The evidence is valid.', ''].join('\n');
  const all = [misfit, ...otherMisfits];
  return [
    `The evidence is not valid. What could be read: ${lines.join('; ')}`,
    ...all.flatMap(misfitInWords),
    ...counted(moreMisfits, 'more problems are not listed'),
    ...(all.length > 1 ? ['A problem may be a consequence of an earlier one.'] : []),
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
  const { tenant, firstRecord, lastRecord, calls, links } = conversation;
  return [
    `Conversation ${number}: ${firstRecord} to ${lastRecord}`,
    `  tenant ${tenant ?? 'unknown'}, ${calls.length === 1 ? 'one call' : `${calls.length} calls`}`,
    ...links.flatMap(linkInWords),
    ...calls.flatMap(callInWords),
    '',
  ].join('\n');
}

function linkInWords({ by, id, calls, orFrom }: Link): string[] {
  const transfer = by === 'transferor';
  return [
    `  linked by ${linkKinds[by]} ${id}: ${calls.join(transfer ? ' to ' : ', ')}`,
    ...(orFrom.length === 0
      ? []
      : [`    the call before the transfer may instead be ${orFrom.join(' or ')} instead`]),
  ];
}

function callInWords(call: CallSummary): string[] {
  const facts: readonly (readonly [name: string, values: readonly string[]])[] = [
    ['application', [call.app ?? 'unknown']],
    ['policy', named(call.policyIdentifier)],
    ['policy holder', named(call.policyHolder)],
    ['other party', named(call.otherSideUser)],
    ['originated by', named(call.source)],
    ['on behalf of', named(call.onBehalfOf)],
    ['transferred by', named(call.transferor)],
    ['paired recorders', list(call.pairedRecorders)],
    ['other recorders', list(call.otherRecorders)],
    ['records', [`${call.firstRecord} to ${call.lastRecord}`]],
    ['states', list(call.states)],
    ['recording', recordingInWords(call)],
    ['failed starts', totals(call.failedStarts)],
    ['refused writes', totals(call.refusedWrites)],
    ['contradiction', call.contradictions.map(contradictionInWords)],
    ['end', endInWords(call)],
    ['note', call.flags.map((flag) => callFlags[flag])],
  ];
  return [
    `  Call ${call.call}`,
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
  const times = `${opened ?? 'start not in the files'} to ${closed ?? 'end not recorded'}`;
  if (writes === null) return times;
  const unanswered = writes.unanswered === 0 ? '' : `, ${writes.unanswered} without a response`;
  return `${times}, ${writes.admitted} writes admitted, ${writes.aborted} of them aborted${unanswered}, ${writes.bytes} bytes${discardsInWords(writes)}`;
}

const discardsInWords = ({
  discarded = 0,
  notDiscarded = 0,
}: NonNullable<RecordedInterval['writes']>): string =>
  discarded + notDiscarded === 0
    ? ''
    : `; handlers confirmed discarding ${discarded} of ${discarded + notDiscarded} aborted writes`;

const contradictionInWords = ({ kind, first, count }: CallSummary['contradictions'][number]): string =>
  `${first}${count === 1 ? '' : ` and ${count - 1} more times`}, ${textOf(contradictions, kind)}`;

function endInWords({ ended, result }: CallSummary): string[] {
  const codes = result === null ? [] : [`code ${result.code ?? 'none'}, subcode ${result.subcode ?? 'none'}`];
  if (ended === null) return codes;
  return [ended.at, ...(ended.cause === null ? [] : [textOf(callEnds, ended.cause)]), ...codes];
}

/** The name, and what it means if this version knows it. */
const textOf = (texts: Readonly<Record<string, string>>, name: string): string =>
  Object.hasOwn(texts, name) ? `${name}: ${texts[name] ?? ''}` : name;
