import type { CallKey } from '../../src/core/call/key.ts';
import type { Gate } from '../../src/gate/gate.ts';
import type { Write } from '../../src/gate/write.ts';

/** One of the instances of a world. */
export interface Instance {
  readonly index: number;
  readonly gate: Gate;
  isDead: boolean;
}

/** A write that an instance let in, as its handler sees it. */
export class LiveWrite {
  readonly instance: Instance;
  readonly call: CallKey;
  readonly write: Write;
  wasCut = false;
  isOver = false;

  constructor(instance: Instance, call: CallKey, write: Write) {
    this.instance = instance;
    this.call = call;
    this.write = write;
    write.onCut(() => {
      this.wasCut = true;
    });
  }

  get isLive(): boolean {
    return !this.wasCut && !this.isOver && !this.instance.isDead;
  }

  end(): void {
    this.isOver = true;
    this.write.end(true);
  }
}
