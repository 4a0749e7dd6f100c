import { z } from 'zod';
import { Fault } from '../core/errors.ts';
import type { Revocation } from '../core/http/revoked-tokens.ts';
import {
  check,
  formatFieldPath,
  formatProblem,
  type Problem,
  readDocument,
  strictObject,
} from './document.ts';

const text = z.string().min(1);
const guid = z.guid({ error: 'must be a GUID such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301' }).toLowerCase();
const names = ['hash', 'jti', 'uti', 'issuedBefore'] as const;
const scopes = ['issuer', 'tenant', 'app', 'subject'] as const;

const entry = strictObject({
  hash: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, { error: 'must be the SHA-256 of the token without its signature, in hex' })
    .toLowerCase()
    .exactOptional(),
  jti: text.exactOptional(),
  uti: text.exactOptional(),
  issuedBefore: z.iso
    .datetime({ offset: true, error: 'must be a time with its zone, such as 2030-01-31T12:00:00Z' })
    .transform((time) => Date.parse(time))
    .exactOptional(),
  issuer: text.exactOptional(),
  tenant: guid.exactOptional(),
  app: guid.exactOptional(),
  subject: text.exactOptional(),
  note: z.string().exactOptional(),
}).superRefine((given, context) => {
  const has = (name: (typeof names)[number] | (typeof scopes)[number]): boolean => given[name] !== undefined;
  if (names.filter(has).length !== 1) context.addIssue(`must have exactly one of ${names.join(', ')}`);
  const scoped = scopes.filter(has);
  if (has('issuedBefore') && scoped.length === 0)
    context.addIssue(`must have at least one of ${scopes.join(', ')}: it would revoke every token`);
  for (const name of has('issuedBefore') ? [] : scoped)
    context.addIssue({
      code: 'custom',
      path: [name],
      message: 'is only allowed together with "issuedBefore"',
    });
});

/**
 * Reads a revocation list, YAML or JSON. Throws `ConfigurationInvalid`, which lists all that is wrong as `file:line: what`
 * and quotes no entry. A file with nothing in it is no list: it may be one that is being written.
 */
export function readRevocations(file: string, content: string): readonly Revocation[] {
  const read = readDocument(file, content);
  if ('problems' in read) throw invalid(read.problems);
  const { value, lineOf } = read.document;
  if (!Array.isArray(value))
    throw invalid([{ file, line: 1, text: 'the file must have a list of entries; an empty list is []' }]);
  const checked = check(z.array(entry), value);
  if (!checked.ok)
    throw invalid(
      checked.issues.map(({ path, text }) => ({
        file,
        line: lineOf(path),
        text: `${formatFieldPath(path)} ${text}`,
      })),
    );
  return checked.value as readonly Revocation[];
}

function invalid(problems: readonly Problem[]): Fault {
  const lines = problems.map(formatProblem);
  return new Fault(
    'ConfigurationInvalid',
    ['the list of revoked tokens is not valid:', ...lines].join('\n  '),
    {
      lines,
    },
  );
}
