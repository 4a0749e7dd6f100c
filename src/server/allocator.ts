/** Just below the largest block that raises the thresholds of glibc on a 64-bit system. */
const blockBytes = 32 * 1024 * 1024 - 64 * 1024;

/**
 * Keeps memory that was freed for the next read. Node takes 64 KiB for every read of a socket; glibc gives the end of its
 * heap back to the system whenever 128 KiB of it are free, and depending on what happens to lie there, each read may map
 * its pages anew, which costs more than all else that is done with large bodies. After the first free of a block that was
 * mapped by itself, glibc keeps up to twice the size of that block (mallopt(3), M_MMAP_THRESHOLD). No page of this one is
 * ever touched, and its collection frees it. With other allocators nothing comes of it.
 */
export function keepFreedMemory(): void {
  Buffer.allocUnsafeSlow(blockBytes);
}
