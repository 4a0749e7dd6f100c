/** Bytes of media in a frame: 20 ms of 16 kHz PCM. */
export const frameBytes = 640;

/** The byte that is in each frame once, and nowhere else on the wire. */
export const frameMark = 0xff;
