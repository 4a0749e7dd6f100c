import type { CallFacts } from './notice.ts';
import { fieldsOf, readId, readLabel, readList, readText, readWord } from './values.ts';

/**
 * What the `resourceData` of a call tells besides its state. Fields are taken by name and never copied whole: the same
 * data holds a meeting's join token, names and phone numbers.
 */
export function readCallFacts(data: Readonly<Record<string, unknown>>): CallFacts {
  const context = fieldsOf(data.incomingContext);
  const bot = fieldsOf(fieldsOf(data.applicationMetadata).botData);
  const holder = fieldsOf(bot.user);
  const direction = readWord(data.direction);
  return {
    tenant: readId(data.tenantId),
    direction: direction === 'incoming' || direction === 'outgoing' ? direction : null,
    callChainId: readId(data.callChainId),
    threadId: readLabel(fieldsOf(data.chatInfo).threadId),
    source: userOf(data.source),
    applicationInstance: firstInvited(data.targets),
    observedParticipantId: readId(context.observedParticipantId),
    sourceParticipantId: readId(context.sourceParticipantId),
    onBehalfOf: userOf(context.onBehalfOf) ?? readId(fieldsOf(context.onBehalfOf).id),
    transferor: userOf(context.transferor),
    policyIdentifier: readText(bot.policyIdentifier),
    inviteReasons: readList(
      typeof bot.inviteReasons === 'string' ? [bot.inviteReasons] : bot.inviteReasons,
      readLabel,
    ),
    policyHolder: readId(holder.policyHolderId) ?? readId(holder.id),
    otherSideUser: readId(fieldsOf(bot.otherSideUser).id),
    pairedRecorders: readList(bot.pairedRecorders, (recorder) => readId(fieldsOf(recorder).id)),
    otherRecorders: readList(bot.otherRecorders, (recorder) => readId(fieldsOf(recorder).id)),
    isMultiParty: typeof bot.isMultiParty === 'boolean' ? bot.isMultiParty : null,
  };
}

/** The user in an identity set, or in the `identity` of a participant; the metadata and the field differ in which it is. */
function userOf(value: unknown): string | null {
  const fields = fieldsOf(value);
  return readId(fieldsOf(fieldsOf(fields.identity).user).id) ?? readId(fieldsOf(fields.user).id);
}

function firstInvited(targets: unknown): string | null {
  for (const target of Array.isArray(targets) ? (targets as unknown[]) : []) {
    const id = readId(fieldsOf(fieldsOf(fieldsOf(target).identity).applicationInstance).id);
    if (id !== null) return id;
  }
  return null;
}
