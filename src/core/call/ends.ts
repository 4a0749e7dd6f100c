/** Every way in which a call ends here. Whichever it is: the gate closes, writes drain, and the id is not used again. */
export const callEnds = {
  hangUp: 'The bot hung up, and Graph confirmed it.',
  terminated: 'A notification from Graph said that the call is terminated.',
  deleted: 'A notification from Graph said that the call was deleted, without a call state.',
  keepAliveNotFound: 'Graph answered a keepAlive with 404.',
  statusNotFound: 'Graph answered a status change with 404.',
  operationNotFound: 'Graph returned 404 for an operation of the call, and then for the call itself.',
  callNotFound: 'Graph answered a GET of the call with 404.',
  silence:
    'The call was idle for too long (no keepAlive, notification or media), and Graph returned 404 for it.',
  silenceUnconfirmed:
    'The call was idle for too long (no keepAlive, notification or media), and there is no credential to query Graph.',
} as const;

export type CallEnd = keyof typeof callEnds;
