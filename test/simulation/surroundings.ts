import { refusals, type Affliction } from './acts.ts';
import type { Weather } from './chance.ts';
import type { Engine } from './engine.ts';
import type { EvidenceDisk } from './evidence-disk.ts';
import type { SimulatedGraph } from './graph.ts';
import type { Observer } from './observer.ts';
import type { SimulatedStore } from './store-ports.ts';

interface Parts {
  readonly engine: Engine;
  readonly weather: Weather;
  readonly observer: Observer;
  readonly graph: SimulatedGraph;
  readonly store: SimulatedStore;
  readonly disk: EvidenceDisk;
}

/** What befalls the store, the disk and Graph: outages, and what is there and wrong. */
export class Surroundings {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  befall(act: Affliction): void {
    const { engine, store, graph, disk } = this.#parts;
    switch (act.kind) {
      case 'cutOff':
        engine.note(`slot ${act.slot} is cut off from the store for ${act.ms.toFixed(0)} ms`);
        store.cutOff.set(act.slot, engine.now + act.ms);
        return;
      case 'deaf':
        engine.note(`nothing that is published reaches slot ${act.slot} for ${act.ms.toFixed(0)} ms`);
        store.deaf.set(act.slot, engine.now + act.ms);
        return;
      case 'lateGrant':
        store.lateGrants.set(act.slot, act.ms);
        return;
      case 'storeDown':
      case 'storeReplaced':
      case 'storeLost':
        this.#storeGoes(act);
        return;
      case 'storeFull':
        this.#forAWhile('the store is full', act.ms, (isSo) => {
          store.isFull = isSo;
          this.judgeStore();
        });
        return;
      case 'storeRefuses':
        if (store.refuses !== undefined) return;
        this.#forAWhile(`the store refuses: ${act.what}`, act.ms, (isSo) => {
          store.refuses = isSo ? act.what : undefined;
          this.judgeStore();
        });
        return;
      case 'diskFull':
        this.#forAWhile('the disk is full', act.ms, (isSo) => (disk.isFull = isSo));
        return;
      case 'graphDown':
        this.#forAWhile('nobody reaches Graph', act.ms, (isSo) => (graph.isDown = isSo));
        return;
      case 'credentialRefused':
        this.#forAWhile('the credential is refused', act.ms, (isSo) => (graph.refusesCredential = isSo));
        return;
      case 'step':
        this.#step(act.byMs);
        return;
    }
  }

  /** Tells the observer whether any session can be extended now. */
  judgeStore(): void {
    const { isDown, isFull, refuses } = this.#parts.store;
    const refusesAll = refuses !== undefined && Object.hasOwn(refusals, refuses);
    this.#parts.observer.storeExtends(!(isDown || isFull || refusesAll));
  }

  #storeGoes(act: Extract<Affliction, { readonly ms: number }>): void {
    const { engine, store } = this.#parts;
    if (store.isDown) return;
    engine.note(act.kind === 'storeLost' ? 'the store dies and loses its data' : 'the store goes down');
    store.goDown();
    this.judgeStore();
    engine.schedule(act.ms, 'the store comes up', () => {
      if (!store.isDown) return;
      store.comeUp(act.kind !== 'storeLost', act.kind === 'storeReplaced' ? act.lostMs : undefined);
      if (act.kind === 'storeReplaced') this.#step(act.skewMs);
      this.judgeStore();
    });
  }

  #forAWhile(what: string, ms: number, set: (isSo: boolean) => void): void {
    const { engine, weather } = this.#parts;
    engine.note(what);
    set(true);
    engine.schedule(ms, `no more: ${what}`, () => {
      if (weather.isCalm) return;
      engine.note(`no more: ${what}`);
      set(false);
    });
  }

  /** Somebody sets the clock of the store, or another server has another. */
  #step(ms: number): void {
    if (ms === 0) return;
    this.#parts.engine.note(`the store's clock steps by ${ms} ms`);
    this.#parts.store.skewMs += ms;
  }
}
