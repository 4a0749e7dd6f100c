import fc from 'fast-check';
import { isLong } from '../support/depth.ts';

const casesOfLongRun = 6000;
const given = Number(process.env.FUZZ_CASES ?? (isLong ? casesOfLongRun : 600));
const seed = process.env.FUZZ_SEED;

/**
 * How many cases a property has: 600, 6000 in a long run, as many as `FUZZ_CASES` says in `npm run fuzz`. What costs milliseconds
 * each has a share of them. A failure prints its seed and its path; `FUZZ_SEED` runs the same cases again.
 */
export const cases = (share = 1): { readonly numRuns: number; readonly seed?: number } => ({
  numRuns: Math.max(1, Math.round(given * share)),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
});

/** How many of this run's cases correspond to so many of a long run's. */
export const ofLongRun = (count: number): number => Math.floor((count * given) / casesOfLongRun);

/** JSON that comes near to what is read: these keys and these values, and now and then anything. */
export function nearJson(keys: readonly string[], values: readonly unknown[]): fc.Arbitrary<unknown> {
  const leaf = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...values) },
    { weight: 1, arbitrary: fc.constantFrom(null, true, false, 0, -1, 1e300, 0.5, '', '__proto__') },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  );
  const key = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...keys) },
    { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', 'length', '') },
    { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
  );
  return fc.letrec<{ any: unknown }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      leaf,
      fc.dictionary(key, tie('any'), { maxKeys: 6 }),
      fc.array(tie('any'), { maxLength: 4 }),
    ),
  })).any;
}

/** A few edits of a text: pieces are taken out, doubled, replaced, or something is put in. */
export const edited = (
  text: fc.Arbitrary<string>,
  pieces: readonly string[],
  most = 4,
): fc.Arbitrary<string> => {
  const piece = fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary', maxLength: 4 }));
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.nat(12),
    kind: fc.constantFrom('cut', 'double', 'replace', 'insert'),
    piece,
  });
  return fc.tuple(text, fc.array(edit, { maxLength: most })).map(([before, edits]) =>
    edits.reduce((now, { at, length, kind, piece: put }) => {
      const begin = Math.floor(at * now.length);
      const [left, middle, right] = [
        now.slice(0, begin),
        now.slice(begin, begin + length),
        now.slice(begin + length),
      ];
      if (kind === 'insert') return left + put + middle + right;
      return left + { cut: '', double: middle + middle, replace: put }[kind as 'cut'] + right;
    }, before),
  );
};
