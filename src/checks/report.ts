import { exitCode } from '../server/exit-codes.ts';
import { exitKindFor, type Finding } from './finding.ts';

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ');

const count = (findings: readonly Finding[], status: Finding['status']): number =>
  findings.filter((finding) => finding.status === status).length;

/** For people: one line for each finding, and one for what to do. */
export const reportText = (findings: readonly Finding[]): string =>
  [
    ...findings.flatMap(({ status, setting, text, cure }) => [
      `${status.padEnd(4)}  ${setting}: ${oneLine(text)}`,
      ...(cure === undefined ? [] : [`      ${oneLine(cure)}.`]),
    ]),
    '',
    `${count(findings, 'ok')} ok, ${count(findings, 'warn')} doubtful, ${count(findings, 'fail')} wrong`,
    '',
  ].join('\n');

/** For programs. */
export const reportJson = (findings: readonly Finding[]): string =>
  `${JSON.stringify(
    {
      version: 1,
      ok: count(findings, 'fail') === 0,
      exitCode: exitCode(exitKindFor(findings)),
      counts: {
        ok: count(findings, 'ok'),
        warn: count(findings, 'warn'),
        fail: count(findings, 'fail'),
      },
      findings: findings.map(({ status, setting, text, cure, kind }) => ({
        status,
        setting,
        text: oneLine(text),
        cure: cure ?? null,
        failure: kind ?? null,
      })),
    },
    null,
    2,
  )}\n`;
