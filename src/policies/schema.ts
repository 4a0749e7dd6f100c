import { z } from 'zod';
import { strictestRules, type Policy } from '../core/call/policy.ts';
import { strictObject } from './document.ts';

const guid = z.guid({ error: 'must be a GUID such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301' }).toLowerCase();

/** Order and repetition mean nothing, so they must not change the digest either. */
const guids = z.array(guid).overwrite((list) => [...new Set(list)].sort());
const someGuids = guids.min(1, { error: 'must not be empty: omit it to match all' });

const match = strictObject({
  tenants: someGuids
    .describe(
      'Tenant ids (GUIDs) of the organisations to which the policy applies. If omitted: all organisations.',
    )
    .optional(),
  apps: someGuids
    .describe(
      'Application (client) ids of the recording bots to which the policy applies. If omitted: all bots.',
    )
    .optional(),
});

/** A policy file. The defaults are the strictest rules, so a file only names what it changes. */
export const policySchema = strictObject({
  $schema: z.string().describe('For editors only: location of the JSON schema of this format.').optional(),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/, {
      error:
        'must be 1 to 64 letters, digits, spaces, dots, dashes or underscores, and begin with a letter or digit',
    })
    .describe('Name of the policy in logs and refusals. It must be unique.'),
  match: match.describe(
    'To whom the policy applies. Empty: to everybody. If tenants and apps are both given: only to these apps in these tenants.',
  ),
  drainMs: z
    .int()
    .min(0)
    .max(60_000)
    .nullable()
    .default(strictestRules.drainMs)
    .describe(
      'How long admitted uploads may continue after a stop is requested, in milliseconds (0 to 60000). Null: the value of TALLYLIGHT_DRAIN_MS.',
    ),
  recordResponse: z
    .enum(['refuse', 'whileRecording'])
    .default(strictestRules.recordResponse)
    .describe(
      'Recordings that Microsoft Graph itself makes for a bot (recordResponse): refused, or allowed only while recording is confirmed.',
    ),
  operationPatch: z
    .enum(['refuse', 'forward'])
    .default(strictestRules.operationPatch)
    .describe(
      'Changes that a bot makes to the record of a past operation (PATCH): refused, or forwarded and recorded in the evidence.',
    ),
  updateMetadata: z
    .enum(['refuse', 'whileRecording', 'forward'])
    .default(strictestRules.updateMetadata)
    .describe(
      'Metadata of the call that a bot sends to Microsoft (updateMetadata): refused, allowed only while recording is confirmed, or always forwarded. The evidence contains a digest of it.',
    ),
  appAlias: z
    .enum(['refuse', 'forward'])
    .default(strictestRules.appAlias)
    .describe(
      'Requests below the deprecated path /app: refused, or treated like requests below /communications.',
    ),
  onStartRefused: z
    .enum(['keepCall', 'hangUp'])
    .default(strictestRules.onStartRefused)
    .describe(
      "What to do if Microsoft refuses to confirm recording: keep the unrecorded call, or hang up, which ends the user's call under the defaults of Teams.",
    ),
  callbackUri: z
    .enum(['flag', 'rewrite'])
    .default(strictestRules.callbackUri)
    .describe(
      'What to do if a bot gives a callback URI that does not lead to the proxy: forward it and flag the call, or replace it with the address of the proxy if the proxy serves that path.',
    ),
  mediaReads: z
    .enum(['asRouted', 'whileRecording', 'refuse'])
    .default(strictestRules.mediaReads)
    .describe(
      'Reads from media handlers: as the route allows, only while recording is confirmed, or never. The stricter of route and policy applies.',
    ),
  uploaders: guids
    .default([...strictestRules.uploaders])
    .describe(
      "Additional applications (client ids) of the same tenant that may upload media of the bot's calls.",
    ),
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
