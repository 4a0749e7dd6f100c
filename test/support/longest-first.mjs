import Sequencer from '@jest/test-sequencer';

/** Begun last, one of these would keep the end waiting with one processor idle. */
const long = [
  'test/simulation/simulation.test.ts',
  'test/chaos/chaos.test.ts',
  'test/e2e/operation/workers.test.ts',
  'test/e2e/operation/shutdown.test.ts',
  'test/unit/evidence/journal/file-sink-repair.test.ts',
  'test/conformance/store-model.test.ts',
  'test/chaos/hard-stops.test.ts',
  'test/e2e/operation/hung-workers.test.ts',
];

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const place = ({ path }) => {
      const found = long.findIndex((name) => path.endsWith(name));
      return found < 0 ? long.length : found;
    };
    return super.sort(tests).toSorted((one, other) => place(one) - place(other));
  }
}
