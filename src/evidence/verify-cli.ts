#!/usr/bin/env node
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';
import { listJournalFiles, verifyJournal, type Report } from './verify.ts';

const help = `Usage: tallylight-verify [--expect-head HASH] [--partial] [--store-lost] FILE...

Checks that evidence is complete, in order and unchanged, and that each call lived by the rules.
FILE is a journal file, or a directory: then all its evidence-*.jsonl files are read.

  --expect-head HASH  The hash that the last line must have. Without it nobody can see that lines
                      at the end of the newest file are missing: the files alone cannot tell.
                      Keep the head that this program prints in a place of its own.
  --partial           The files before the first one are not at hand.
  --store-lost        The store is known to have lost its data once: calls may begin anew.
  --help              Print this text.

Exit status: 0 the evidence fits, 1 it does not, 2 it could not be checked.
`;

const options = {
  'expect-head': { type: 'string' },
  partial: { type: 'boolean' },
  'store-lost': { type: 'boolean' },
  help: { type: 'boolean' },
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
    process.stdout.write(inWords(report));
    return report.misfit === null ? 0 : 1;
  } catch (error) {
    return refuse(messageOf(error));
  }
}

function refuse(why: string): number {
  process.stderr.write(`tallylight-verify: ${why}\n\n${help}`);
  return 2;
}

const filesAt = async (path: string): Promise<string[]> =>
  (await stat(path)).isDirectory() ? listJournalFiles(path) : [path];

function inWords(report: Report): string {
  const { misfit, files, records, calls, intervals, openIntervals, begunAnew, head } = report;
  const lines = [
    `${records} records of ${calls} calls in ${files} files`,
    `${intervals} recording intervals, ${openIntervals} of them open`,
    ...(begunAnew === 0 ? [] : [`${begunAnew} histories of calls that began anew`]),
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

process.exitCode = await main(process.argv.slice(2));
