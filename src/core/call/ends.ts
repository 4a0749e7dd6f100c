/** Every way in which a call ends here. Whichever it is: the gate closes, writes drain, and the id is not used again. */
export const callEnds = {
  hangUp: 'The bot hung up, and Graph took it.',
  terminated: 'Graph notified that the call was terminated.',
  deleted: 'Graph notified that the call was deleted, without saying in which state.',
  keepAliveNotFound: 'Graph answered a keepAlive with 404.',
  statusNotFound: 'Graph answered a status change with 404.',
  operationNotFound: 'Graph knew neither an operation of the call nor, asked again, the call itself.',
  callNotFound: 'Graph answered a reading of the call with 404.',
  silence: 'Nothing was heard of the call for too long, and Graph, asked for it, does not know it any more.',
  silenceUnconfirmed:
    'Nothing was heard of the call for too long, and there is no credential to ask Graph for it.',
} as const;

export type CallEnd = keyof typeof callEnds;
