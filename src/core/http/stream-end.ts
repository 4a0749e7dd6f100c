/** How a WebSocket ended. */
export const streamEnds = [
  /** Both sides said so. */
  'closed',
  /** The gate closed; the frame in flight ended, and the handler has acknowledged the end. */
  'stopped',
  /** The same, since this instance is leaving. */
  'shutDown',
  /** It could not be ended in time, or nobody may rely on the gate any more. */
  'cut',
  'idle',
  /** A side broke the rules of the protocol. */
  'malformed',
  /** A side closed the connection without a Close frame. */
  'broken',
] as const;
export type StreamEnd = (typeof streamEnds)[number];

export const frameDirections = ['toHandler', 'toClient'] as const;
export type FrameDirection = (typeof frameDirections)[number];
