/** The states of a call as Graph spells them in its metadata, and `ringing`, which only its documentation has. */
export const graphCallStates = [
  'incoming',
  'establishing',
  'ringing',
  'established',
  'hold',
  'transferring',
  'transferAccepted',
  'redirecting',
  'terminating',
  'terminated',
] as const;
export type GraphCallState = (typeof graphCallStates)[number];
