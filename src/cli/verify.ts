#!/usr/bin/env node
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';
import { listJournalFiles, verifyJournal, type Report } from '../evidence/verify/verify.ts';
import { leadsNowhere } from '../evidence/verify/lines.ts';
import { Conversations, type Conversation } from '../evidence/verify/links.ts';
import { replay } from '../evidence/verify/replay.ts';
import { conversationInWords, reportInWords } from '../evidence/verify/text-report.ts';
import { print } from './print.ts';

const help = `Usage: tallylight-verify [--expect-head HASH] [--partial] [--store-lost] [--legs] [--json] FILE...

Checks that evidence is complete, in order and unchanged, and that each call followed the rules.
FILE is a journal file, or a directory, of which all evidence-*.jsonl files are read. All files are
read to their end; each place that does not fit is listed, up to 100 of them.

  --expect-head HASH  The hash that the last line must have (the head). Without it, lines missing at
                      the end of the newest file go unnoticed: the files alone cannot tell. Store
                      the head hash that this program prints on another system.
  --partial           The files before the first one are not available.
  --store-lost        The store is known to have lost its data once: calls may begin anew.
  --legs              If the evidence fits, list for each call when it was recorded, what was refused
                      and how it ended, with the calls of one conversation together. Calls of one
                      tenant are linked by the same call chain; by the same meeting thread, while a
                      call of it lives or within 15 minutes; and by a transfer: to the likeliest
                      call of the user who transferred, while it lives or within 5 minutes of its
                      end. Links are for reading only: each call has its own gate. What the files do
                      not hold is not linked.
  --json              Print one JSON document: the report, and with --legs the conversations
                      (null if the evidence does not fit).
  -h, --help          Print this text.

Exit codes: 0 the evidence fits; 1 it does not; 2 usage, or the evidence could not be read.
`;

const options = {
  'expect-head': { type: 'string' },
  partial: { type: 'boolean' },
  'store-lost': { type: 'boolean' },
  legs: { type: 'boolean' },
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
    const legs = values.legs === true && report.ok ? await conversationsIn(files, report) : null;
    if (legs === undefined) return refuse('the files changed while they were read');
    await print(values.json === true ? asJson(report, legs, values.legs === true) : asWords(report, legs));
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
  if (await leadsNowhere(path)) return [path];
  return (await stat(path)).isDirectory() ? listJournalFiles(path) : [path];
}

/** undefined: the files are not those of the report any more. */
async function conversationsIn(
  files: readonly string[],
  report: Report,
): Promise<readonly Conversation[] | undefined> {
  const conversations = new Conversations();
  const same = await replay(files, report, (record) => conversations.take(record));
  return same ? conversations.list() : undefined;
}

function* asWords(report: Report, conversations: readonly Conversation[] | null): Generator<string> {
  yield reportInWords(report);
  if (conversations === null) return;
  yield `\n${report.calls} calls in ${conversations.length} conversations\n`;
  for (const [index, conversation] of conversations.entries())
    yield `\n${conversationInWords(conversation, index + 1)}`;
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
