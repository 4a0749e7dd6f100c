import { z } from 'zod';
import type { GraphCredentialConfig } from '../auth/graph-credential.ts';
import type { RedisEntraConfig } from '../auth/redis-login.ts';
import { strictObject, type Issue } from '../policies/document.ts';
import { isPlaceholder } from './placeholders.ts';
import { withError, guid, secureUrl, callerList, guidList, surroundingWhiteSpace, text } from './shapes.ts';

/** Reads a file as text; throws as `readFileSync` does. */
export type ReadFile = (path: string) => string;

const proofs = ['clientSecret', 'clientSecretFile', 'privateKeyFile', 'federatedTokenFile'] as const;
const forKeys = ['certificateFile', 'keyId', 'algorithm'] as const;

/** What is left around a secret is sent with it, and Entra only answers that the secret is wrong. */
const secretText = text.superRefine((given, context) => {
  const stray = surroundingWhiteSpace(given);
  if (stray !== undefined) context.addIssue(stray);
});

const oneTenant = z.string().regex(/^(?!(?:common|organizations|consumers)$)[A-Za-z0-9][A-Za-z0-9.-]*$/i, {
  error: 'must be the id or a domain of one tenant; "common" and similar names issue no application tokens',
});

const endpointOf = (tenant: string): string =>
  `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`;

const base = strictObject({
  tokenEndpoint: secureUrl.exactOptional(),
  tenant: oneTenant.exactOptional(),
  clientId: text,
  clientSecret: secretText.exactOptional(),
  clientSecretFile: text.exactOptional(),
  privateKeyFile: text.exactOptional(),
  federatedTokenFile: text.exactOptional(),
  certificateFile: text.exactOptional(),
  keyId: text.exactOptional(),
  algorithm: z.enum(['RS256', 'PS256', 'ES256']).exactOptional(),
  scope: text.exactOptional(),
  tenants: guidList.exactOptional(),
  apps: callerList.exactOptional(),
});

export type RawCredential = z.infer<typeof base>;

const exactlyOne = `must have exactly one of ${proofs.join(', ')}`;
const proofsIn = (given: RawCredential): readonly string[] =>
  proofs.filter((name) => given[name] !== undefined);

/** Where the workload identity webhook of AKS says that the federated token of a Pod is. */
const federatedTokenVariable = 'AZURE_FEDERATED_TOKEN_FILE';

/** What else than the setting itself decides what it means. */
export interface SettingSources {
  readonly env: Readonly<Partial<Record<string, string>>>;
  readonly readFile: ReadFile;
}

/** A client of Entra, as it is written in the settings. */
export const graphCredential = base.superRefine((given, context) => {
  if ((given.tokenEndpoint === undefined) === (given.tenant === undefined))
    context.addIssue('must have either "tenant" or "tokenEndpoint"');
  // None at all: where the platform has named a federated token, that is the one.
  if (proofsIn(given).length > 1) context.addIssue(exactlyOne);
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
  given: RawCredential,
  surroundings: SettingSources,
  issues: Issue[],
): GraphCredentialConfig {
  const { readFile } = surroundings;
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
  const stray =
    clientSecret === undefined && secret !== undefined ? surroundingWhiteSpace(secret) : undefined;
  if (stray !== undefined)
    issues.push({ path: ['clientSecretFile'], text: `is a file whose content ${stray}` });
  if (given.clientSecretFile !== undefined && secret !== undefined && isPlaceholder(secret))
    issues.push({
      path: ['clientSecretFile'],
      text: 'is a file that holds a placeholder: write the secret into it',
    });
  const pem = fileAt('privateKeyFile');
  const certificatePem = fileAt('certificateFile');
  const federatedTokenFile =
    given.federatedTokenFile !== undefined || proofsIn(given).length === 0
      ? federatedTokenFileOf(given, surroundings, issues, exactlyOne)
      : undefined;
  return {
    tokenEndpoint: tokenEndpoint ?? endpointOf(tenant),
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
    ...(federatedTokenFile === undefined ? {} : { federatedTokenFile }),
    ...(tenants === undefined ? {} : { tenants }),
    ...(apps === undefined ? {} : { apps }),
  };
}

/** An identity of Entra that logs in to Redis, as it is written in the settings. */
export const redisEntra = strictObject({
  clientId: text,
  objectId: guid,
  tenantId: oneTenant.exactOptional(),
  tokenEndpoint: secureUrl.exactOptional(),
  federatedTokenFile: text.exactOptional(),
}).refine(
  ({ tenantId, tokenEndpoint }) => (tenantId === undefined) !== (tokenEndpoint === undefined),
  withError('must have either "tenantId" or "tokenEndpoint"'),
);

export function resolveRedisEntra(
  { clientId, objectId, tenantId = '', tokenEndpoint, ...file }: z.infer<typeof redisEntra>,
  surroundings: SettingSources,
  issues: Issue[],
): RedisEntraConfig {
  const missing = `must have "federatedTokenFile": ${federatedTokenVariable} is not set`;
  return {
    tokenEndpoint: tokenEndpoint ?? endpointOf(tenantId),
    clientId,
    objectId,
    federatedTokenFile: federatedTokenFileOf(file, surroundings, issues, missing) ?? '',
  };
}

/**
 * The file that is given, or else the one that the platform names. It must hold something at the start; its content is read
 * for each token request. `missing`: what is wrong where there is neither.
 */
export function federatedTokenFileOf(
  { federatedTokenFile: given }: { readonly federatedTokenFile?: string },
  { env, readFile }: SettingSources,
  issues: Issue[],
  missing: string,
): string | undefined {
  const path = given ?? env[federatedTokenVariable];
  if (path === undefined || path === '') {
    issues.push({ path: [], text: missing });
    return undefined;
  }
  const read = readText(path, readFile);
  if ('wrong' in read)
    issues.push(
      given === undefined
        ? { path: [], text: `takes its federated token from ${federatedTokenVariable}, which ${read.wrong}` }
        : { path: ['federatedTokenFile'], text: read.wrong },
    );
  return path;
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
