import { z } from 'zod';
import type { GraphCredentialConfig } from '../auth/graph-credential.ts';
import { strictObject, type Issue } from '../policies/document.ts';
import { isPlaceholder } from './placeholders.ts';
import { secureUrl, someCallers, someGuids, strayWhiteSpace, text } from './shapes.ts';

/** Reads a file as text; throws as `readFileSync` does. */
export type ReadFile = (path: string) => string;

const secrets = ['clientSecret', 'clientSecretFile', 'privateKeyFile'] as const;
const forKeys = ['certificateFile', 'keyId', 'algorithm'] as const;

/** What is left around a secret is sent with it, and Entra only answers that the secret is wrong. */
const secretText = text.superRefine((given, context) => {
  const stray = strayWhiteSpace(given);
  if (stray !== undefined) context.addIssue(stray);
});

const base = strictObject({
  tokenEndpoint: secureUrl.exactOptional(),
  tenant: z
    .string()
    .regex(/^(?!(?:common|organizations|consumers)$)[A-Za-z0-9][A-Za-z0-9.-]*$/i, {
      error:
        'must be the id or a domain of one tenant; "common" and similar names issue no application tokens',
    })
    .exactOptional(),
  clientId: text,
  clientSecret: secretText.exactOptional(),
  clientSecretFile: text.exactOptional(),
  privateKeyFile: text.exactOptional(),
  certificateFile: text.exactOptional(),
  keyId: text.exactOptional(),
  algorithm: z.enum(['RS256', 'PS256', 'ES256']).exactOptional(),
  scope: text.exactOptional(),
  tenants: someGuids.exactOptional(),
  apps: someCallers.exactOptional(),
});

export type GivenCredential = z.infer<typeof base>;

/** A client of Entra, as it is written in the settings. */
export const graphCredential = base.superRefine((given, context) => {
  if ((given.tokenEndpoint === undefined) === (given.tenant === undefined))
    context.addIssue('must have either "tenant" or "tokenEndpoint"');
  if (secrets.filter((name) => given[name] !== undefined).length !== 1)
    context.addIssue(`must have exactly one of ${secrets.join(', ')}`);
  for (const name of forKeys) {
    if (given[name] !== undefined && given.privateKeyFile === undefined)
      context.addIssue({
        code: 'custom',
        path: [name],
        message: 'is only allowed together with "privateKeyFile"',
      });
  }
});

/** Reads the files it names; what cannot be read is added to `issues`. */
export function resolveCredential(
  given: GivenCredential,
  readFile: ReadFile,
  issues: Issue[],
): GraphCredentialConfig {
  const {
    tokenEndpoint,
    tenant = '',
    clientId,
    clientSecret,
    keyId,
    algorithm,
    scope,
    tenants,
    apps,
  } = given;
  const fileAt = (name: 'clientSecretFile' | 'privateKeyFile' | 'certificateFile'): string | undefined => {
    const path = given[name];
    if (path === undefined) return undefined;
    const read = readText(path, readFile);
    if ('wrong' in read) issues.push({ path: [name], text: read.wrong });
    return 'text' in read ? read.text : undefined;
  };
  const secret = clientSecret ?? fileAt('clientSecretFile');
  const stray = clientSecret === undefined && secret !== undefined ? strayWhiteSpace(secret) : undefined;
  if (stray !== undefined)
    issues.push({ path: ['clientSecretFile'], text: `is a file whose content ${stray}` });
  if (given.clientSecretFile !== undefined && secret !== undefined && isPlaceholder(secret))
    issues.push({
      path: ['clientSecretFile'],
      text: 'is a file that holds a placeholder: write the secret into it',
    });
  const pem = fileAt('privateKeyFile');
  const certificatePem = fileAt('certificateFile');
  return {
    tokenEndpoint: tokenEndpoint ?? `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
    clientId,
    ...(scope === undefined ? {} : { scope }),
    ...(secret === undefined ? {} : { clientSecret: secret }),
    ...(pem === undefined
      ? {}
      : {
          privateKey: {
            pem,
            ...(algorithm === undefined ? {} : { algorithm }),
            ...(keyId === undefined ? {} : { keyId }),
            ...(certificatePem === undefined ? {} : { certificatePem }),
          },
        }),
    ...(tenants === undefined ? {} : { tenants }),
    ...(apps === undefined ? {} : { apps }),
  };
}

/** Neither the path nor the system's words are shown: somebody may have put the secret where its file belongs. */
export function readText(
  path: string,
  readFile: ReadFile,
): { readonly text: string } | { readonly wrong: string } {
  try {
    // Editors and `echo` end a file with a line break, which is no part of a secret.
    const content = readFile(path).replace(/\r?\n$/, '');
    return content === '' ? { wrong: 'is an empty file' } : { text: content };
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return { wrong: `names a file that cannot be read (${code})` };
  }
}
