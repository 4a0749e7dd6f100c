import { usualClockToleranceSeconds } from '../../auth/token-verifier.ts';
import { doubtful, type Finding, right, wrong } from '../finding.ts';
import { toleratedSkewMs } from '../redis.ts';
import { ask } from './ask.ts';

/** A server whose answers carry the time. */
export interface Timekeeper {
  readonly setting: string;
  readonly name: string;
  readonly url: string;
}

/** A `Date` header field has whole seconds. */
const resolutionMs = 1000;

/**
 * How far a clock is ahead of this machine's at least, ms; negative: behind; 0: the two may agree. `date` is the `Date` of
 * an answer that was asked for and came at these times of this machine's clock. undefined: it tells no time.
 */
export function aheadMs(
  date: string | undefined,
  { askedAt, answeredAt }: { readonly askedAt: number; readonly answeredAt: number },
): number | undefined {
  const at = Date.parse(date ?? '');
  if (Number.isNaN(at)) return undefined;
  if (at > answeredAt) return at - answeredAt;
  return Math.min(0, at + resolutionMs - askedAt);
}

/** Compares the clocks of others with that of this machine. One that does not answer is found out about elsewhere. */
export async function compareClocks(others: readonly Timekeeper[]): Promise<readonly Finding[]> {
  const agreeing: string[] = [];
  const found = await Promise.all(
    others.map(async ({ setting, name, url }): Promise<readonly Finding[]> => {
      const answer = await ask(url, { method: 'HEAD' }).catch(() => undefined);
      const ahead = answer === undefined ? undefined : aheadMs(answer.headers.date, answer);
      if (ahead === undefined) return [];
      const apart = Math.abs(ahead);
      if (apart <= toleratedSkewMs) {
        agreeing.push(name);
        return [];
      }
      const text = `the clock of ${name} is at least ${apart} ms ${ahead > 0 ? 'ahead of' : 'behind'} the clock of this machine`;
      const cure = 'Synchronise both by NTP';
      return [
        apart > usualClockToleranceSeconds * 1000
          ? wrong(
              'notReady',
              setting,
              `${text}: beyond ${usualClockToleranceSeconds} s good tokens are refused`,
              cure,
            )
          : doubtful(setting, text, cure),
      ];
    }),
  );
  return [
    ...(agreeing.length === 0
      ? []
      : [
          right(
            'clocks',
            `within ${toleratedSkewMs / 1000} s of this machine: ${agreeing.sort().join(', ')}`,
          ),
        ]),
    ...found.flat(),
  ];
}
