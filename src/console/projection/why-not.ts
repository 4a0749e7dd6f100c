import { type CallEnd, callEnds } from '../../core/call/ends.ts';
import type { CallStory } from './call-story.ts';

/** Why a call is not being recorded, by the cause of its last stop. */
const stopCauses: Readonly<Record<string, string>> = {
  notRecording: 'The bot ended the recording.',
  failed: 'The bot reported that its recorder failed.',
  notPolicyCall: 'Graph says that no recording policy created this call (8506), so it cannot be recorded.',
  tenantMismatch: 'Graph says that the token of the bot belongs to another tenant than the call (7505).',
  confirmation: 'An earlier stop had to be confirmed first.',
  operator: 'An operator closed the recording by hand.',
  hold: 'A hold of an operator closed the recording.',
};

const codes: Readonly<Record<string, string>> = {
  '8506':
    'Graph refused the recording: no recording policy created this call (8506), so it cannot be recorded.',
  '7505': 'Graph refused the recording: the token of the bot belongs to another tenant than the call (7505).',
};

const isEnd = (cause: string): cause is CallEnd => Object.hasOwn(callEnds, cause);

/** A sentence about why a call is not being recorded, or never was; null: it is, or it has ended and was. */
export function whyNotRecorded(story: CallStory): string | null {
  switch (story.state) {
    case 'recording':
      return null;
    case 'starting':
      return 'A recording was requested; Graph has not confirmed it yet.';
    case 'stopping':
      return 'The recording is being stopped: writes in progress end.';
    case 'unconfirmed':
      return 'The recording was stopped; Graph has not confirmed the stop.';
    case 'pausing':
    case 'paused':
      return 'The recording is paused.';
    case 'ended':
      return story.openedAt === null ? whyIdle(story) : null;
    case 'idle':
      return whyIdle(story);
  }
}

function whyIdle({ hasAsked, startFailed, startCode, stopCause }: CallStory): string {
  if (startFailed) {
    if (startCode === null)
      return 'It is unknown whether Graph accepted the recording, so the gate stayed closed.';
    const known = startCode.split('/').find((code) => Object.hasOwn(codes, code));
    return known === undefined ? `Graph refused the recording (${startCode}).` : (codes[known] ?? '');
  }
  if (!hasAsked) return 'The bot has not requested a recording.';
  if (stopCause === null) return 'No recording is confirmed.';
  return isEnd(stopCause) ? callEnds[stopCause] : (stopCauses[stopCause] ?? 'The recording was stopped.');
}
