import { describe, expect, test } from '@jest/globals';
import { grant, refuse } from '../../../src/core/decision.ts';
import { Fault, isFault, messageOf } from '../../../src/core/errors.ts';
import { reasons, statusOf, textOf, type ReasonCode } from '../../../src/core/reasons.ts';

const codes = Object.keys(reasons) as ReasonCode[];
/** What storage clients send again by themselves. */
const retried = (status: number): boolean => [408, 409, 425, 429].includes(status) || status >= 500;

describe('reasons', () => {
  test.each(codes)('%s has a status of a refusal and a sentence', (code) => {
    expect(code).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(statusOf(code)).toBeGreaterThanOrEqual(400);
    expect(statusOf(code)).toBeLessThan(600);
    expect(textOf(code)).toMatch(/^[A-Z].*\.$/);
  });

  test('have no two texts alike', () => {
    expect(new Set(codes.map(textOf)).size).toBe(codes.length);
  });

  test.each(['RecordingNotActive', 'RecordingStopped'] as const)(
    '%s is 403: early media must not come late',
    (code) => {
      expect(statusOf(code)).toBe(403);
    },
  );

  test.each([
    'TokenMissing',
    'TokenInvalid',
    'TokenExpired',
    'TokenNotAllowed',
    'TargetInvalid',
    'RouteUnknown',
    'ReadsRefused',
    'MethodNotAllowed',
    'PolicyRefused',
    'CallIdInvalid',
    'CallNotFound',
    'CallEnded',
    'RecordingNotActive',
    'RecordingStopped',
    'ExpectationFailed',
  ] as const)('%s, a judgement on a media request, is no status that storage clients retry', (code) => {
    expect(retried(statusOf(code))).toBe(false);
  });

  test.each(['CannotVerify', 'StoreUnavailable', 'StoreFresh', 'DrainTimeout', 'ShuttingDown'] as const)(
    '%s, which passes by itself, is 503',
    (code) => {
      expect(statusOf(code)).toBe(503);
    },
  );

  test('that a token is bad and that it cannot be checked are told apart', () => {
    expect([statusOf('TokenInvalid'), statusOf('CannotVerify')]).toEqual([401, 503]);
  });

  test("that a call is another's is answered like a call that does not exist", () => {
    expect(statusOf('CallNotFound')).toBe(404);
  });
});

describe('decisions and faults', () => {
  test('are values, with what was said about them', () => {
    expect(grant(1)).toEqual({ ok: true, value: 1 });
    expect(refuse('StoreUnavailable')).toEqual({ ok: false, reason: 'StoreUnavailable' });
    expect(refuse('DrainTimeout', { detail: 'd', retryAfterMs: 5 })).toEqual({
      ok: false,
      reason: 'DrainTimeout',
      detail: 'd',
      retryAfterMs: 5,
    });
  });

  test('faults are told apart by their code, and keep their cause', () => {
    const cause = new Error('below');
    const fault = new Fault('StoreUnavailable', 'above', { cause });
    expect(fault).toBeFault('StoreUnavailable');
    expect(fault).not.toBeFault('Internal');
    expect([fault.name, fault.message, fault.cause]).toEqual(['Fault', 'above', cause]);
    expect([isFault(fault), isFault(cause), isFault(undefined)]).toEqual([true, false, false]);
    expect([messageOf(fault), messageOf('text'), messageOf(undefined)]).toEqual([
      'above',
      'text',
      'undefined',
    ]);
  });
});
