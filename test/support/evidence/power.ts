import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { sha256 } from '../../../src/core/call/evidence.ts';
import type { Step } from './steps.ts';

/**
 * What a disk keeps of unsynced writes when the power goes: `none`; `half` of the bytes that changed, from the first
 * on; `size`, so that the end reads as zeros. Names that were not synced are gone with `none`.
 */
type Kept = 'none' | 'half' | 'size';

/** A disk that promises nothing but what was synced: files by content, directories by their names. */
export class PowerLoss {
  readonly #root: string;
  /** By inode. */
  readonly #content = new Map<number, Buffer>();
  /** Directory to name to inode. */
  readonly #names = new Map<string, ReadonlyMap<string, number>>();
  readonly #seen = new Set<string>();

  /** What is under the root now is durable, but for the journals if their writer did not come to sync them. */
  constructor(root: string, { journals }: { readonly journals: 'synced' | 'unsynced' }) {
    this.#root = root;
    const isDurable = (path: string): boolean => journals === 'synced' || !path.endsWith('.jsonl');
    for (const path of [root, ...filesUnder(root)].filter(isDurable)) this.#synced(path);
    for (const [directory, names] of this.#names)
      this.#names.set(directory, new Map([...names].filter(([name]) => isDurable(name))));
  }

  after({ call, path }: Step): void {
    if (call === 'sync' || call === 'datasync') this.#synced(path);
  }

  /** Writes what would be left if the power went now, where that is something new, and beside it the outbox. */
  imagesInto(target: string, outbox: string): void {
    for (const kept of ['none', 'half', 'size'] as const) {
      const files = this.#files(kept);
      const key = JSON.stringify([
        readFileSync(join(outbox, 'removed'), 'utf8'),
        ...[...files].map(([path, bytes]) => [path, sha256(bytes)]),
      ]);
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      const image = `${target}-${kept}`;
      cpSync(outbox, join(image, 'outbox'), { recursive: true });
      for (const [path, bytes] of files) {
        mkdirSync(dirname(join(image, 'disk', path)), { recursive: true });
        writeFileSync(join(image, 'disk', path), bytes);
      }
    }
  }

  #synced(path: string): void {
    const { ino } = statSync(path);
    if (statSync(path).isDirectory()) this.#names.set(path, namesIn(path));
    else this.#content.set(ino, readFileSync(path));
  }

  #files(kept: Kept): Map<string, Buffer> {
    const files = new Map<string, Buffer>();
    const visit = (directory: string): void => {
      const names = kept === 'none' ? this.#names.get(directory) : namesIn(directory);
      for (const [name, inode] of names ?? []) {
        const path = join(directory, name);
        if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) visit(path);
        else files.set(relative(this.#root, path), this.#contentOf(path, inode, kept));
      }
    };
    visit(this.#root);
    return files;
  }

  #contentOf(path: string, inode: number, kept: Kept): Buffer {
    const durable = this.#content.get(inode) ?? Buffer.alloc(0);
    if (kept === 'none') return durable;
    const now = readFileSync(path);
    if (kept === 'size')
      return Buffer.concat([durable, Buffer.alloc(Math.max(0, now.length - durable.length))]);
    const differs = now.findIndex((byte, at) => byte !== durable[at]);
    const half = differs === -1 ? now.length : Math.ceil((differs + now.length) / 2);
    return Buffer.concat([now.subarray(0, half), durable.subarray(half)]);
  }
}

const isKept = (path: string): boolean => statSync(path).isFile() || statSync(path).isDirectory();

const namesIn = (directory: string): Map<string, number> =>
  new Map(
    readdirSync(directory)
      .filter((name) => isKept(join(directory, name)))
      .map((name) => [name, statSync(join(directory, name)).ino]),
  );

const filesUnder = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter(isKept);
