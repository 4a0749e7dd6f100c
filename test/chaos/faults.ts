import { execFileSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestRedis } from '../support/redis.ts';
import type { Relay } from './relay.ts';

/** One proxy with its ways, as faults see it. */
export interface Target {
  readonly pid: () => number;
  kill(): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  boot(): Promise<void>;
  /** To Graph, to the media handler, and from the bots. */
  readonly ways: { readonly graph: Relay; readonly sink: Relay; readonly bots: Relay };
}

export interface Battlefield {
  readonly targets: readonly Target[];
  readonly primary: TestRedis;
  readonly replica: TestRedis;
  /** The directory of the evidence, on a disk of its own; undefined: it cannot be filled. */
  readonly evidenceDisk: string | undefined;
  readonly random: () => number;
}

/** What a fault is upon, for as long as it lasts. */
export interface Scope {
  readonly targets: readonly Target[];
  readonly store: boolean;
}

export interface Fault {
  readonly name: string;
  /** Runs to its end, healing included. `upon` tells what is troubled meanwhile. */
  run(field: Battlefield, upon: (scope: Scope) => void): Promise<void>;
}

const any = ({ targets, random }: Battlefield): Target => targets[Math.floor(random() * targets.length)]!;
const some = (random: () => number, least: number, most: number): number => least + random() * (most - least);

/** A way is troubled for a while. */
const onWay = (
  name: string,
  way: keyof Target['ways'],
  trouble: (relay: Relay, random: () => number) => void,
): Fault => ({
  name,
  async run(field, upon) {
    const target = any(field);
    upon({ targets: [target], store: false });
    const relay = target.ways[way];
    trouble(relay, field.random);
    await sleep(some(field.random, 500, 2500));
    relay.delayMs = 0;
    if (relay.silent) relay.cut();
    relay.silent = false;
  },
});

const slow = (relay: Relay, random: () => number): void => {
  relay.delayMs = some(random, 50, 700);
};
const silence = (relay: Relay): void => {
  relay.silent = true;
};

/** Everything that is done to the processes and the ways between them. */
export const faults: readonly Fault[] = [
  {
    name: 'a proxy is killed',
    async run(field, upon) {
      const target = any(field);
      upon({ targets: [target], store: false });
      await target.kill();
      await sleep(some(field.random, 100, 1500));
      await target.boot();
    },
  },
  {
    name: 'a proxy stands still beyond its deadline',
    async run(field, upon) {
      const target = any(field);
      upon({ targets: [target], store: false });
      target.signal('SIGSTOP');
      await sleep(some(field.random, 500, 3000));
      target.signal('SIGCONT');
      await sleep(300);
    },
  },
  {
    name: 'Redis is killed and comes back with its data',
    async run({ primary, targets, random }, upon) {
      upon({ targets, store: true });
      await primary.kill('SIGKILL');
      await sleep(some(random, 200, 1200));
      await primary.restart({ keepData: true });
    },
  },
  {
    name: 'Redis comes back empty',
    async run({ primary, targets }, upon) {
      upon({ targets, store: true });
      await primary.restart({ keepData: false });
    },
  },
  {
    name: 'Redis stands still',
    async run({ primary, targets, random }, upon) {
      upon({ targets, store: true });
      await primary.kill('SIGSTOP');
      await sleep(some(random, 300, 1500));
      await primary.kill('SIGCONT');
    },
  },
  onWay('the way to Graph is slow', 'graph', slow),
  onWay('the way to Graph swallows everything', 'graph', silence),
  onWay('the way to the media handler is slow', 'sink', slow),
  onWay('the way to the media handler swallows everything', 'sink', silence),
  onWay('the way from the bots is slow', 'bots', slow),
  onWay('the way from the bots swallows everything', 'bots', silence),
  onWay('connections to Graph are reset', 'graph', (relay) => relay.cut()),
  onWay('connections to the media handler are reset', 'sink', (relay) => relay.cut()),
  {
    name: 'the disk of the evidence is full',
    async run({ evidenceDisk, random }, upon) {
      upon({ targets: [], store: false });
      if (evidenceDisk === undefined) return;
      const filler = join(evidenceDisk, 'filler');
      await writeFile(filler, Buffer.alloc(64 * 1024 * 1024)).catch(() => undefined);
      await sleep(some(random, 500, 2000));
      await rm(filler, { force: true });
    },
  },
  {
    name: 'a proxy has no file descriptors left',
    async run(field, upon) {
      const target = any(field);
      upon({ targets: [target], store: false });
      const limit = (to: string): void => {
        execFileSync('prlimit', ['--pid', String(target.pid()), `--nofile=${to}`]);
      };
      limit('40:4096');
      await sleep(some(field.random, 500, 2000));
      limit('4096:4096');
    },
  },
];
