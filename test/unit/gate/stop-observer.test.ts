import { expect, test } from '@jest/globals';
import { type CallState, unknownCall } from '../../../src/core/call/state.ts';
import { stopObserver } from '../../../src/gate/stop-observer.ts';

type Meaning = 'own' | 'stranger' | 'lapsed';

const state: CallState = { ...unknownCall, state: 'recording', epoch: 7 };

test.each<[Meaning, boolean, readonly number[]]>([
  // Opened here, perhaps, since the stop was heard.
  ['own', false, [7]],
  ['own', true, []],
  ['stranger', false, []],
  ['lapsed', false, []],
])(
  'a stop that is %s (only of a bound call: %s) closes what is held here: %j',
  (meaning, onlyBound, closed) => {
    const shut: number[] = [];
    const mark = { by: null, epoch: undefined, judge: () => meaning, stored: () => {}, drop: () => {} };
    const around = {
      isRepeated: false,
      isAnnounced: true,
      announce: () => {},
      shut: (n: number) => shut.push(n),
    };
    stopObserver({ cause: 'notRecording', onlyBound }, mark, around).judge(state);
    expect(shut).toEqual(closed);
  },
);
