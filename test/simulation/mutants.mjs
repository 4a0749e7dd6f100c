/**
 * The product with one rule taken out, for the test of the test: the simulation must find what then goes wrong. Each is a
 * change to the text of the source as it is loaded, so the product itself has no switch that could open a gate.
 */
export const mutants = {
  R1: {
    lacks: 'A grant that arrives late, with a revoked epoch, is thrown away.',
    patches: [
      {
        file: 'gate/admit.ts',
        find: ' || reply.epoch <= (this.#revoked.get(call)?.epoch ?? 0)',
        replace: '',
      },
    ],
  },
  R2: {
    lacks: 'After the store began without data, starts and stops wait.',
    patches: [
      {
        file: 'gate/change.ts',
        find: 'freshMs(sessionTimes(times)) - livedMs;',
        replace: '0 * freshMs(sessionTimes(times)) - livedMs;',
      },
    ],
  },
  R3: {
    lacks: 'A stop of unknown outcome is confirmed before the next start.',
    patches: [
      {
        file: 'gate/stop.ts',
        find: "outcome.kind === 'refused' ? 'stopRefused' : 'stopUnknown'",
        replace: "'stopRefused'",
      },
    ],
  },
  R4: {
    lacks: 'The deadline counts from before the heartbeat was sent, and a reply that comes after it is void.',
    patches: [
      {
        file: 'gate/session.ts',
        find: "if (this.#id !== id || !this.isLive()) return;\n    if (reply === 'lost')",
        replace: "if (this.#id !== id) return;\n    if (reply === 'lost')",
      },
      {
        file: 'gate/session.ts',
        find: 'const holds = await reading;\n    if (this.#id !== id || !this.isLive()) return;',
        replace: 'const holds = await reading;\n    if (this.#id !== id) return;',
      },
      {
        file: 'gate/session.ts',
        find: 'this.#extend(sentAt + times.ttlMs);\n    this.#storeSweep.run();',
        replace: 'this.#extend(clock.now() + times.ttlMs);\n    this.#storeSweep.run();',
      },
    ],
  },
  R5: {
    lacks: 'A crashed stop is taken over, and holders without a session are waited out.',
    patches: [
      {
        file: 'gate/stop.ts',
        find: "if (state.state === 'stopping' && live !== null) {\n        return refuse('StatusInProgress', { retryAfterMs: live.remainingMs });",
        replace:
          "if (state.state === 'stopping' && state.exchange !== null) {\n        return refuse('StatusInProgress', { retryAfterMs: 1000 });",
      },
      {
        file: 'gate/stop.ts',
        find: 'for (const holder of revocations.lost(view.holders)) await waitedOut(deps, call, author, holder);',
        replace: '',
      },
    ],
  },
  R7: {
    lacks: 'A hold closes what is open, and keeps everybody out while it stands.',
    patches: [
      {
        file: 'gate/admit.ts',
        find: 'const isHeld = this.#holds.covers(reply);',
        replace: 'const isHeld = false;',
      },
      {
        file: 'gate/operators.ts',
        find: 'if (!this.acting.closes({ epoch, binding })) continue;',
        replace: 'if (epoch >= 0 && binding !== undefined) continue;',
      },
      {
        file: 'gate/operators.ts',
        find: 'sweep: () => void this.#recordings.sweep(),',
        replace: 'sweep: () => undefined,',
      },
    ],
  },
  observe: {
    lacks: 'Only the tenants that the operator names are observed.',
    patches: [
      {
        file: 'core/call/observation.ts',
        find: 'now < until && tenants.includes(tenant)',
        replace: 'now < until && tenants.length > 0',
      },
    ],
  },
  until: {
    lacks: 'An observation ends.',
    patches: [
      { file: 'core/call/observation.ts', find: 'now < until && tenants', replace: 'tenants' },
      { file: 'gate/observing.ts', find: 'return this.#latest >= until;', replace: 'return false;' },
    ],
  },
  R6: {
    lacks: 'A stop closes the gate on the instance that heard it, whatever becomes of it.',
    patches: [
      {
        file: 'gate/gate.ts',
        find: 'if (grant !== undefined) this.#admission.shut(call, grant.epoch);',
        replace: '',
      },
      {
        file: 'gate/admit.ts',
        find: 'const stopWasHeard = this.#stopMarks.covers(call, reply);',
        replace: 'const stopWasHeard = false;',
      },
    ],
  },
};
