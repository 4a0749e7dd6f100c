import { exitKindFor, type Finding } from '../checks/finding.ts';
import { reportJson, reportText } from '../checks/report.ts';
import { exitCode } from '../server/exit-codes.ts';
import { print } from './print.ts';

/** Prints what was found, and has the process end with the code for it. */
export async function showFindings(findings: readonly Finding[], json: boolean): Promise<void> {
  process.exitCode = exitCode(exitKindFor(findings));
  await print([json ? reportJson(findings) : reportText(findings)]);
}
