/**
 * Judges a report of `npm audit --json`. `lines` is what to tell; `asked` is false where the registry could not be
 * asked at all. An answer that answers no finding is one to take away.
 */
export function judgeAudit(report, answers) {
  const { vulnerabilities } = report;
  if (vulnerabilities === undefined) {
    const why = report.statusCode === undefined ? 'gave no report' : `answered ${report.statusCode}`;
    return { asked: false, lines: [`NOT AUDITED: the registry ${why} where npm asks for advisories`] };
  }
  const found = new Map();
  for (const { via } of Object.values(vulnerabilities))
    for (const advisory of via) if (typeof advisory === 'object') found.set(idOf(advisory), advisory);
  const open = [...found].filter(([id]) => (answers[id] ?? '') === '');
  const idle = Object.keys(answers).filter((id) => !found.has(id));
  return {
    asked: true,
    lines: [
      ...open.map(([id, { name, severity, title }]) => `${id} ${severity}: ${name}: ${title}`),
      ...idle.map((id) => `${id} is answered, but not found: take the answer away`),
    ],
  };
}

/** `GHSA-...`, or the number of the advisory where it has no such id. */
const idOf = ({ url, source }) => /GHSA(?:-\w{4}){3}/.exec(url ?? '')?.[0] ?? String(source);
