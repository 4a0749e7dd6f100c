import { setFlagsFromString } from 'node:v8';

/** Just below the largest block that raises the thresholds of glibc on a 64-bit system. */
const blockBytes = 32 * 1024 * 1024 - 64 * 1024;

/**
 * Fits the memory of the process to a stream of large bodies. Node takes 64 KiB for every read of a socket, and what two
 * defaults do with those can cost more than all else that is done with a body:
 *
 * - glibc gives the end of its heap back to the system whenever 128 KiB of it are free, and depending on what happens to
 *   lie there, each read maps its pages anew. After the first free of a block that was mapped by itself, it keeps up to
 *   twice the size of that block (mallopt(3), M_MMAP_THRESHOLD). No page of this one is ever touched, and its collection
 *   frees it. With other allocators nothing comes of it.
 * - V8 counts buffers that were read and dropped as part of the old heap until they are swept: 64 MiB at most, more than a
 *   small heap may grow by, so that it marks the whole heap again and again for garbage that is young. The heap may always
 *   grow to four times its size, which is what V8 itself allows at most.
 *
 * And V8 optimises undici's parser of answers, which is WebAssembly, as soon as it has read a few: 30 MB and half a second
 * of a core, just when an instance begins to serve. That is put off until it has read enough to be worth it.
 */
export function prepareMemory(): void {
  setFlagsFromString('--heap-growing-percent=300');
  setFlagsFromString('--wasm-tiering-budget=100000000');
  Buffer.allocUnsafeSlow(blockBytes);
}
