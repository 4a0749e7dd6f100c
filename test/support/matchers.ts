import { expect } from '@jest/globals';
import type { ReasonCode } from '../../src/core/reasons.ts';
import { isFault, type FaultCode } from '../../src/core/errors.ts';
import { isRecord } from '../../src/core/json.ts';

expect.extend({
  /** A refusal with this reason. */
  toRefuse(received: unknown, reason: ReasonCode) {
    const pass = isRecord(received) && received.ok === false && received.reason === reason;
    return {
      pass,
      message: () => `expected ${JSON.stringify(received)} ${pass ? 'not ' : ''}to refuse with ${reason}`,
    };
  },
  /** A fault with this code, thrown or given as an error. */
  toBeFault(received: unknown, code: FaultCode) {
    const pass = isFault(received, code);
    return { pass, message: () => `expected ${String(received)} ${pass ? 'not ' : ''}to be a fault ${code}` };
  },
});

declare module 'expect' {
  interface Matchers<R> {
    toRefuse(reason: ReasonCode): R;
    toBeFault(code: FaultCode): R;
  }
}
