#!/usr/bin/env node
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';
import { listJournalFiles, verifyJournal, type Report } from '../evidence/verify/verify.ts';
import { isBrokenLink } from '../evidence/verify/lines.ts';
import { Conversations, type Conversation } from '../evidence/verify/links.ts';
import { replay } from '../evidence/verify/replay.ts';
import { conversationText, reportText } from '../evidence/verify/text-report.ts';
import { print } from './print.ts';

const help = `Usage: tallylight-verify [--expect-head HASH] [--partial] [--store-lost] [--calls] [--json] FILE...

Checks that evidence is complete, in order and unchanged, and that each call followed the rules.
FILE is a journal file, or a directory whose evidence-*.jsonl files are all read. All files are
read to the end; up to 100 problems are listed.

  --expect-head HASH  Expected hash of the last line. Without it, missing lines at the end of the
                      newest file cannot be detected from the files alone. Store the head that
                      this program prints on another system.
  --partial           Earlier files are missing, so the first file may begin in the middle.
  --store-lost        The store has lost its data: the histories of calls may restart.
  --calls             If the evidence is valid, list for each call when it was recorded, what was
                      refused and how it ended, grouped by conversation. Calls of one tenant are
                      linked by call chain; by meeting thread, if they overlap or are at most
                      15 minutes apart; and by transfer: to the most likely call of the user who
                      transferred, if that call is active or ended at most 5 minutes before.
                      Links are informational: each call has its own gate. Calls that are not in
                      the files are not linked.
  --json              Print one JSON document: the report, and with --calls the conversations
                      (null if the evidence is not valid).
  -h, --help          Print this text.

Exit codes: 0 the evidence is valid, 1 it is not valid, 2 it could not be checked, or usage.
`;

const options = {
  'expect-head': { type: 'string' },
  partial: { type: 'boolean' },
  'store-lost': { type: 'boolean' },
  calls: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

async function main(args: string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    if (values.help === true) {
      process.stdout.write(help);
      return 0;
    }
    const expectHead = values['expect-head'];
    if (expectHead !== undefined && !/^[0-9a-f]{64}$/.test(expectHead))
      return refuse('--expect-head takes a SHA-256 in lower-case hexadecimal');
    const files = (await Promise.all(positionals.map(filesAt))).flat();
    if (files.length === 0) return refuse('no evidence file was given');
    const report = await verifyJournal(files, {
      expectHead,
      partial: values.partial,
      storeLost: values['store-lost'],
    });
    const calls = values.calls === true && report.ok ? await conversationsIn(files, report) : null;
    if (calls === undefined) return refuse('the files changed while they were read');
    await print(values.json === true ? asJson(report, calls, values.calls === true) : asWords(report, calls));
    return report.ok ? 0 : 1;
  } catch (error) {
    return refuse(messageOf(error));
  }
}

function refuse(why: string): number {
  process.stderr.write(`tallylight-verify: ${why}\n\n${help}`);
  return 2;
}

async function filesAt(path: string): Promise<string[]> {
  if (await isBrokenLink(path)) return [path];
  return (await stat(path)).isDirectory() ? listJournalFiles(path) : [path];
}

/** undefined: the files are not those of the report any more. */
async function conversationsIn(
  files: readonly string[],
  report: Report,
): Promise<readonly Conversation[] | undefined> {
  const conversations = new Conversations();
  const same = await replay(files, report, conversations);
  return same ? conversations.list() : undefined;
}

function* asWords(report: Report, conversations: readonly Conversation[] | null): Generator<string> {
  yield reportText(report);
  if (conversations === null) return;
  yield `\n${report.calls} calls in ${conversations.length} conversations\n`;
  for (const [index, conversation] of conversations.entries())
    yield `\n${conversationText(conversation, index + 1)}`;
}

/** One conversation a line, since the whole may be longer than a string can be. */
function* asJson(
  report: Report,
  conversations: readonly Conversation[] | null,
  wanted: boolean,
): Generator<string> {
  yield `{"report":${JSON.stringify(report)}`;
  if (wanted && conversations === null) yield ',"conversations":null';
  if (conversations !== null) {
    yield ',"conversations":[';
    for (const [index, conversation] of conversations.entries())
      yield `${index === 0 ? '' : ','}\n${JSON.stringify(conversation)}`;
    yield '\n]';
  }
  yield '}\n';
}

process.exitCode = await main(process.argv.slice(2));
