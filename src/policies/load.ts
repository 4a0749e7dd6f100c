import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  collide,
  defaultPolicy,
  inForce,
  type PolicyFor,
  type PolicyInForce,
  selectPolicy,
  specificity,
} from '../core/call/policy.ts';
import { Fault, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import { check, formatFieldPath, formatProblem, type Problem, readDocument } from './document.ts';
import { policySchema, toPolicy } from './schema.ts';

interface Loaded {
  readonly policy: PolicyInForce;
  readonly file: string;
  /** Lines of the name and of what it matches. */
  readonly lines: { readonly name: number; readonly match: number };
}

const schemaFile = 'policy.schema.json';

/**
 * The policies of a directory, and the strictest one if none of them is for everybody. Throws
 * `ConfigurationInvalid`, which lists everything that is wrong, as `file:line: what`.
 */
export function loadPolicies(directory: string): readonly PolicyInForce[] {
  const loaded: Loaded[] = [];
  const problems: Problem[] = [];
  for (const file of policyFilesIn(directory)) {
    const read = readPolicy(file);
    if ('problems' in read) problems.push(...read.problems);
    else loaded.push(read);
  }
  problems.push(...conflicts(loaded));
  if (problems.length > 0) throw invalid(problems);
  const policies = loaded.map(({ policy }) => policy);
  return policies.some((policy) => specificity(policy) === 0) ? policies : [...policies, defaultPolicy];
}

function invalid(problems: readonly Problem[]): Fault {
  const lines = problems.map(formatProblem);
  return new Fault('ConfigurationInvalid', ['the policies are not valid:', ...lines].join('\n  '), { lines });
}

/** In the order of their names. Hidden files are an editor's or a mount's own. */
export function policyFilesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^[^.].*\.(json|ya?ml)$/i.test(name) && name !== schemaFile)
      .sort()
      .map((name) => join(directory, name))
      .filter((file) => statSync(file).isFile());
  } catch (error) {
    throw new Fault('ConfigurationInvalid', `the policy directory cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function readPolicy(file: string): Loaded | { readonly problems: readonly Problem[] } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return { problems: [{ file, line: 1, text: `it cannot be read: ${messageOf(error)}` }] };
  }
  const read = readDocument(file, text);
  if ('problems' in read) return read;
  const { value, lineOf } = read.document;
  const checked = check(policySchema, value);
  if (checked.ok) {
    const policy = inForce(toPolicy(checked.value));
    return { policy, file, lines: { name: lineOf(['name']), match: lineOf(['match']) } };
  }
  return {
    problems: checked.issues.map(({ path, text }) => ({
      file,
      line: lineOf(path),
      text: `${path.length === 0 ? 'a policy' : formatFieldPath(path)} ${text}`,
    })),
  };
}

/** Pairs that cannot be distinguished, by name or by a caller. */
function conflicts(loaded: readonly Loaded[]): Problem[] {
  const pairs = loaded.flatMap((one, index) => loaded.slice(index + 1).map((two) => [one, two] as const));
  return pairs.flatMap(([one, two]): Problem[] => {
    const found: Problem[] = [];
    if (one.policy.name === two.policy.name) {
      const at = `${two.file}:${two.lines.name}`;
      found.push({
        file: one.file,
        line: one.lines.name,
        text: `the name "${one.policy.name}" is also used at ${at}; each policy must have a unique name`,
      });
    }
    if (collide(one.policy, two.policy)) {
      const at = `${two.file}:${two.lines.match}`;
      found.push({
        file: one.file,
        line: one.lines.match,
        text: `"${one.policy.name}" and "${two.policy.name}" (${at}) match the same callers equally specifically; make one of them more specific`,
      });
    }
    return found;
  });
}

/** The same, of the package's own directory if `directory` is undefined. */
export const policiesOf = (directory: string | undefined): readonly PolicyInForce[] =>
  loadPolicies(directory ?? ownDirectory());

const named = (policies: readonly PolicyInForce[]): { name: string; digest: string }[] =>
  policies.map(({ name, digest }) => ({ name, digest }));

export interface PolicySet {
  readonly policyFor: PolicyFor;
  /** Reads the directory again; a mistake keeps the policies that are in force. */
  reload(): void;
  readonly all: readonly PolicyInForce[];
}

/** The policies of a directory (undefined: those that come with the package), replaceable as a whole. */
export function createPolicySet(
  directory: string | undefined,
  { log, meter }: { readonly log: Log; readonly meter: Pick<Meter, 'policyReload' | 'loaded'> },
): PolicySet {
  const place = directory ?? ownDirectory();
  const load = (): readonly PolicyInForce[] => {
    const policies = loadPolicies(place);
    log.info({ directory: place, policies: named(policies) }, 'policies are in force');
    return policies;
  };
  let current = load();
  meter.loaded('policies');
  return {
    policyFor: (who) => selectPolicy(current, who),
    reload() {
      try {
        current = load();
        meter.policyReload(true);
      } catch (error) {
        log.error(
          { directory: place, error: messageOf(error) },
          'the policies were not reloaded; the previous policies stay in force',
        );
        meter.policyReload(false);
      }
    },
    get all() {
      return current;
    },
  };
}

/** Policies that were read before, and stay. */
export function fixedPolicySet(policies: readonly PolicyInForce[], log: Log): PolicySet {
  log.info({ policies: named(policies) }, 'policies are in force');
  return { policyFor: (who) => selectPolicy(policies, who), reload: () => undefined, all: policies };
}

/** The package's own folder, from the sources as from the build. */
function ownDirectory(): string {
  const found = ['../../policies/', '../../../policies/']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(join(path, schemaFile)));
  if (found === undefined) throw new Fault('Internal', 'the policies of the package are missing');
  return found;
}
