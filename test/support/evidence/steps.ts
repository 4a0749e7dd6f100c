import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import type { Outbox, OutboxEntry } from '../../../src/core/ports/outbox.ts';

/** One call that is awaited: of the file system, or of the outbox. */
export interface Step {
  /** What is called. */
  readonly call: string;
  /** The file or directory; empty for the outbox. */
  readonly path: string;
  /** Does only this part of it, at once; for what can be done in part. */
  readonly inPart?: (part: number) => void;
}

export interface Observer {
  before(step: Step): void;
  after(step: Step): void;
}

export const nameOf = ({ call, path }: Step): string => (path === '' ? call : `${call} ${basename(path)}`);

type Call = (this: unknown, ...args: unknown[]) => Promise<unknown>;

/** What changes nothing is no step: a crash before it leaves what a crash after it leaves. */
const directoryCalls = ['mkdir', 'open', 'link', 'rm', 'unlink'];
const fileCalls = ['writeFile', 'write', 'sync', 'datasync', 'truncate'];
const outboxCalls = ['claimSink', 'lease', 'release', 'pending', 'remove', 'depth'];

/** From now on the observer sees each call of the promised file system in this process. */
export async function observeDisk(observer: Observer): Promise<void> {
  const paths = new WeakMap<object, string>();
  const observed = (call: string, real: Call): Call =>
    async function (...args) {
      const path = typeof args[0] === 'string' && directoryCalls.includes(call) ? args[0] : '';
      const isFile = typeof this === 'object' && this !== null && paths.has(this);
      const step: Step = {
        call,
        path: isFile ? paths.get(this)! : path,
        ...(call.startsWith('write') ? { inPart: (part) => writePart(this as FileHandle, args, part) } : {}),
      };
      observer.before(step);
      const result = await real.apply(this, args);
      if (call === 'open') {
        const file = result as FileHandle;
        paths.set(file, path);
        // A field of each handle, not a method of all.
        file.close = observed('close', file.close.bind(file)) as () => Promise<void>;
      }
      observer.after(step);
      return result;
    };
  const probe = await fs.promises.open('/dev/null');
  const ofFiles = Object.getPrototypeOf(probe) as Record<string, Call>;
  await probe.close();
  const ofDirectories = fs.promises as unknown as Record<string, Call>;
  for (const call of fileCalls) ofFiles[call] = observed(call, ofFiles[call]!);
  for (const call of directoryCalls) ofDirectories[call] = observed(call, ofDirectories[call]!);
  syncBuiltinESMExports();
}

function writePart(handle: FileHandle, args: readonly unknown[], part: number): void {
  const [data, offset = 0, length, position = null] = args as [string | Buffer, number?, number?, number?];
  const bytes = Buffer.from(data as string).subarray(offset, offset + (length ?? data.length));
  fs.writeSync(handle.fd, bytes, 0, Math.floor(bytes.length * part), position);
}

export function observeOutbox(outbox: Outbox, observer: Observer): Outbox {
  return new Proxy(outbox, {
    get(_, name) {
      const value: unknown = Reflect.get(outbox, name, outbox);
      if (typeof value !== 'function') return value;
      const method = value.bind(outbox) as Call;
      const call = String(name);
      if (!outboxCalls.includes(call)) return method;
      return async (...args: unknown[]) => {
        const removed = call === 'remove' ? (args[0] as OutboxEntry[]) : undefined;
        const step: Step = {
          call,
          path: '',
          ...(removed && {
            inPart: (part) => void outbox.remove(removed.slice(0, Math.floor(removed.length * part))),
          }),
        };
        observer.before(step);
        const result = await method(...args);
        observer.after(step);
        return result;
      };
    },
  });
}
