import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** One file that a browser may load. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

export interface PageFiles {
  /** The document; it names the others by paths that change with their contents. */
  readonly index: Buffer;
  /** By a path below `/`; undefined: there is none. */
  find(path: string): PageFile | undefined;
}

const types: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
};

/** Tables of texts that the page shares with the server; they import nothing. */
const shared = ['core/reasons.js', 'core/call/ends.js', 'console/projection/attention.js'];

/** Files of packages, in place of the modules of ours that stand for them: package, and the file by its path from the main one. */
const packaged = {
  'console/page/vendor/preact.js': ['htm', '../preact/standalone.module.js'],
  'console/page/vendor/uplot.js': ['uplot', 'uPlot.esm.js'],
  'console/page/vendor/uplot.css': ['uplot', 'uPlot.min.css'],
} as const;

const pageFolder = 'console/page/';

/**
 * Reads everything that the page consists of. All paths share one prefix that is a digest of all contents: modules keep
 * importing each other by relative paths, and a browser may cache them for ever.
 */
export function readPageFiles(root = new URL('../', import.meta.url)): PageFiles {
  const files = new Map<string, PageFile>();
  const add = (path: string, url: URL | string): void => {
    const type = types[path.slice(path.lastIndexOf('.') + 1)];
    if (type !== undefined) files.set(path, { type, bytes: readFileSync(url) });
  };
  const own = readdirSync(new URL(pageFolder, root), { recursive: true, encoding: 'utf8' });
  for (const name of own) add(pageFolder + name.replaceAll('\\', '/'), new URL(pageFolder + name, root));
  for (const path of shared) if (existsSync(new URL(path, root))) add(path, new URL(path, root));
  const { resolve } = createRequire(import.meta.url);
  for (const [path, [name, file]] of Object.entries(packaged))
    add(path, new URL(file, `file://${resolve(name)}`));

  const prefix = `page/${digestOf(files)}/`;
  const index = readFileSync(fileURLToPath(new URL(`${pageFolder}index.html`, root)), 'utf8');
  return {
    index: Buffer.from(index.replaceAll('{{page}}', `/${prefix}${pageFolder}`)),
    find: (path) => (path.startsWith(prefix) ? files.get(path.slice(prefix.length)) : undefined),
  };
}

function digestOf(files: ReadonlyMap<string, PageFile>): string {
  const hash = createHash('sha256');
  for (const [path, { bytes }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  return hash.digest('hex').slice(0, 16);
}
