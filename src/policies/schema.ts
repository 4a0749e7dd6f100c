import { z } from 'zod';
import { strictestRules, type Policy } from '../core/call/policy.ts';
import { strictObject } from './document.ts';

const guid = z.guid({ error: 'must be a GUID such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301' }).toLowerCase();

/** Order and repetition mean nothing, so they must not change the digest either. */
const guids = z.array(guid).overwrite((list) => [...new Set(list)].sort());
const someGuids = guids.min(1, { error: 'must not be empty: leave it out to match all' });

const match = strictObject({
  tenants: someGuids
    .describe('Tenant ids (GUIDs) of the organisations the policy is for. Left out: all organisations.')
    .optional(),
  apps: someGuids
    .describe('Application (client) ids of the recording bots the policy is for. Left out: all bots.')
    .optional(),
});

/** A policy file. The defaults are the strictest rules, so a file only names what it changes. */
export const policySchema = strictObject({
  $schema: z.string().describe('For editors only: where the description of this format is.').optional(),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/, {
      error:
        'must be 1 to 64 letters, digits, spaces, dots, dashes or underscores, and begin with a letter or digit',
    })
    .describe('How logs and refusals call the policy. No two policies may have the same name.'),
  match: match.describe(
    'Whom the policy is for. Empty: everybody. Tenants and apps both given: only these apps in these tenants.',
  ),
  drainMs: z
    .int()
    .min(0)
    .max(60_000)
    .nullable()
    .default(strictestRules.drainMs)
    .describe(
      'How long uploads that were already accepted may go on after a stop was asked for, in milliseconds (0 to 60000). Null: the setting TALLYLIGHT_DRAIN_MS.',
    ),
  recordResponse: z
    .enum(['refuse', 'whileRecording'])
    .default(strictestRules.recordResponse)
    .describe(
      'Recordings that Microsoft Graph itself makes for a bot (recordResponse): never, or only while recording is confirmed.',
    ),
  operationPatch: z
    .enum(['refuse', 'forward'])
    .default(strictestRules.operationPatch)
    .describe('Changes that a bot makes to the record of a past operation: refused, or passed and noted.'),
  updateMetadata: z
    .enum(['refuse', 'whileRecording', 'forward'])
    .default(strictestRules.updateMetadata)
    .describe(
      'Data about the call that a bot hands to Microsoft (updateMetadata): never, only while recording is confirmed, or always. A digest is kept as evidence.',
    ),
  appAlias: z
    .enum(['refuse', 'forward'])
    .default(strictestRules.appAlias)
    .describe(
      'Requests under the outdated address /app: refused, or treated like those under /communications.',
    ),
  onStartRefused: z
    .enum(['keepCall', 'hangUp'])
    .default(strictestRules.onStartRefused)
    .describe(
      "When Microsoft refuses to confirm recording: keep the unrecorded call, or hang up, which under Teams' defaults ends the user's call.",
    ),
  callbackUri: z
    .enum(['flag', 'rewrite'])
    .default(strictestRules.callbackUri)
    .describe(
      "When a bot asks for its notifications at an address that is not the proxy's: let it, and flag the call, or put the proxy's address in its place where the proxy serves that path.",
    ),
  mediaReads: z
    .enum(['asRouted', 'whileRecording', 'refuse'])
    .default(strictestRules.mediaReads)
    .describe(
      'Reading from media handlers: as their route says, only while recording is confirmed, or never. The stricter of route and policy counts.',
    ),
  uploaders: guids
    .default([...strictestRules.uploaders])
    .describe("Further applications (client ids) of the same tenant that may upload for the bot's calls."),
}).meta({ title: 'A Tallylight policy' });

/** What a valid file says, without the field for editors. */
export function toPolicy({
  $schema: _,
  match: { tenants, apps },
  ...rest
}: z.infer<typeof policySchema>): Policy {
  return {
    ...rest,
    match: { ...(tenants === undefined ? {} : { tenants }), ...(apps === undefined ? {} : { apps }) },
  };
}
