import { describe, expect, test } from '@jest/globals';
import type { CallSummary } from '../../../../src/evidence/verify/call.ts';
import { Conversations } from '../../../../src/evidence/verify/links.ts';
import { conversationText } from '../../../../src/evidence/verify/text-report.ts';
import { CallStory } from '../../../support/evidence/call-histories.ts';
import { callKey, refusedWrites } from '../../../support/evidence/history.ts';

const told = (): CallStory => new CallStory(1).at(1).confirmed().at(2).ended();

function read(story: CallStory, observed?: ReturnType<typeof refusedWrites>): [CallSummary, string] {
  const conversations = new Conversations();
  if (observed !== undefined) conversations.takeLine(observed);
  for (const record of story.records) conversations.take(record);
  const [conversation] = conversations.list();
  return [conversation!.calls[0]!, conversationText(conversation!, 1)];
}

describe('the verdict of a call', () => {
  test('is not given where every record claims enforcement', () => {
    const [call, text] = read(told());
    expect(call).toMatchObject({ enforced: true, observedWrites: {} });
    expect(text).not.toContain('not enforced');
  });

  test('is "not enforced" where any record says so, whatever the others show', () => {
    const counts = { refused: {}, observed: { RecordingNotActive: 7 } };
    const [call, text] = read(told().happens({ type: 'writesRefused' }, counts, null, false));
    expect(call).toMatchObject({ enforced: false, observedWrites: { RecordingNotActive: 7 } });
    expect(call.flags).toContain('notEnforced');
    expect(text).toMatch(/verdict\s+not enforced/);
    expect(text).toMatch(/observed writes\s+RecordingNotActive \(7\)/);
  });

  test('is "not enforced" where observed writes were counted before the call was known', () => {
    const line = refusedWrites({ observed: { RecordingNotActive: 1 }, calls: [callKey(1)] });
    expect(read(told(), line)[0].enforced).toBe(false);
    expect(read(told(), refusedWrites({ calls: [callKey(1)] }))[0].enforced).toBe(true);
  });
});
