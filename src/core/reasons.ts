/**
 * Why a request was refused. The status comes from here alone; `text` says what happened and what to do.
 * A media write at a closed gate is 403, because storage clients retry 408, 409, 425, 429 and 5xx,
 * which would turn early media into late media.
 */
export const reasons = {
  TokenMissing: [401, 'The request carries no bearer token. Send a token issued for this proxy.'],
  TokenInvalid: [401, 'The bearer token is not valid for this proxy.'],
  TokenExpired: [401, 'The bearer token has expired. Get a new one.'],
  TokenRevoked: [401, 'The bearer token was revoked by the operator of this proxy. Get a new one.'],
  TokenNotAllowed: [403, 'The token is valid, but its tenant, application or role is not allowed.'],
  CannotVerify: [
    503,
    'The token could not be verified: the keys of its issuer are not available. Try again later.',
  ],
  GraphTokenUnreadable: [
    401,
    'The Graph token names no tenant and application, so the call cannot be bound to them.',
  ],

  TargetInvalid: [
    400,
    'The request target is not a plain path. Send it without dot segments, encoded slashes and path parameters.',
  ],
  HeaderRepeated: [400, 'A header field that must occur only once was repeated. Send it once.'],
  ActionUnknown: [403, 'This path is not on the list of supported Graph actions.'],
  ActionRefused: [403, 'This Graph action is never forwarded.'],
  BatchRefused: [
    403,
    'JSON batching is not supported: it would hide status changes from the gate. Send the requests one by one.',
  ],
  MethodNotAllowed: [405, 'The method is not allowed for this path.'],
  PolicyRefused: [403, 'The policy for this caller does not allow this action.'],
  CallIdInvalid: [400, 'The call id is not a GUID.'],
  CallNotFound: [404, 'The call does not exist.'],
  CallEnded: [404, 'The call has ended. Recording of a new call needs a confirmation of its own.'],

  HostUnknown: [
    403,
    'The Host header field names none of the hosts of this console. Use one of them, or add the host to TALLYLIGHT_CONSOLE_HOSTS.',
  ],
  OriginRefused: [
    403,
    'The request comes from a page of another origin. Use the console itself, or send a token.',
  ],
  PathUnknown: [404, 'The console has nothing at this path.'],
  ParameterInvalid: [400, 'A parameter of the query is not valid.'],
  TooManyListeners: [503, 'Too many event streams are open. Close one, or try again later.'],

  BodyInvalid: [400, 'The body is not valid JSON for this action.'],
  BodyTooLarge: [413, 'The body exceeds the size limit.'],
  BodyIncomplete: [400, 'The body ended before it was complete.'],
  BodyTimeout: [408, 'The body did not arrive in time.'],
  AnswerUnread: [408, 'The client did not read the response in time.'],
  ContentTypeUnsupported: [415, 'The body must be application/json.'],
  ContentEncodingUnsupported: [415, 'The body must not be compressed: the proxy has to inspect it.'],
  StatusInvalid: [400, 'The status must be "recording", "notRecording" or "failed".'],
  ExpectationFailed: [417, 'The only supported expectation is 100-continue.'],
  UpgradeRefused: [501, 'Protocol upgrades are not supported here.'],
  UpgradeRequired: [426, 'The request must be a WebSocket upgrade with Sec-WebSocket-Version 13.'],
  UpgradeInvalid: [400, 'The request is not a valid WebSocket opening handshake.'],

  StatusInProgress: [409, 'Another status change of this call is in progress. Try again shortly.'],
  StopUnconfirmed: [
    409,
    'Graph has not confirmed the last notRecording, so recording cannot start. Send notRecording again.',
  ],
  HoldStands: [
    403,
    'An operator has put a hold on recordings of this tenant, this application or all calls. Recording cannot start until the hold is released.',
  ],
  HoldsUnknown: [
    503,
    'The store began without data, and the holds of operators have not been read from the journal yet. No recording starts until they are. Try again later.',
  ],
  HoldInvalid: [
    400,
    'The reason of a hold must have 1 to 500 characters, and its scope one tenant, one application or all.',
  ],
  TooManyHolds: [429, 'Too many holds stand. Release some, or put one hold on all calls.'],
  HoldNotFound: [404, 'No such hold stands. It may have been released.'],
  DrainTimeout: [
    503,
    'Writes of this call could not be ended in time, so the stop was not sent to Graph. Try again.',
  ],
  StoreFresh: [
    503,
    'The store started without data. Status changes are refused until no earlier request can still be in progress. Try again later.',
  ],
  StoreUnavailable: [503, 'The store is not available, so gates stay closed. Try again later.'],

  EvidenceBacklog: [
    503,
    'The evidence backlog exceeds its limit, so no recording starts and no write is admitted. Try again later.',
  ],

  NotPolicyCall: [
    403,
    'Graph refused with error 8506: no recording policy created this call, so it can never be recorded. Do not try again.',
  ],
  TenantMismatch: [
    403,
    'Graph refused with error 7505: the Graph token belongs to a different tenant than the call. Do not try again with this token; get a Graph token for the tenant of the call.',
  ],
  GraphUnreachable: [502, 'Graph could not be reached.'],
  GraphTimeout: [504, 'Graph did not answer in time. It is unknown whether Graph executed the request.'],
  GraphAnswerTooLarge: [502, 'The response from Graph is too large to be inspected and was not forwarded.'],
  GraphAnswerUnreadable: [
    502,
    'The response from Graph is not readable JSON. It could not be inspected for a recording and was not forwarded.',
  ],
  GraphRedirect: [
    502,
    'Graph responded with a redirect. It was not forwarded, because following it would bypass the proxy.',
  ],
  GraphCredentialMissing: [403, 'No Graph credential is configured for this caller.'],
  GraphCredentialUnavailable: [503, 'Could not obtain a Graph access token. Try again later.'],

  RecordingNotActive: [
    403,
    'Recording of this call is not confirmed. Do not persist this media, and do not send it again later.',
  ],
  RecordingStopped: [
    403,
    'Recording of this call ended while the write was in progress. The write was aborted.',
  ],
  SessionLost: [
    503,
    'This instance lost its session in the store and aborted the write. It does not know whether recording continues. Send the write again; it is admitted only if recording is confirmed.',
  ],
  BodyAlreadyRead: [
    500,
    'The body was read, or had a reader, before the gate decided. Mount the gate before body parsers and everything else that reads bodies.',
  ],
  ReadsRefused: [403, 'This media route does not allow reads.'],
  RouteUnknown: [404, 'No media route matches this path.'],
  UpstreamUnreachable: [502, 'The media handler could not be reached.'],
  UpstreamTimeout: [504, 'The media handler did not answer in time.'],
  UpstreamFailed: [502, 'The connection to the media handler failed before the response was complete.'],
  BotUnreachable: [502, 'The notification endpoint of the bot could not be reached.'],
  BotTimeout: [504, 'The notification endpoint of the bot did not answer in time.'],
  BotFailed: [
    502,
    'The connection to the notification endpoint of the bot failed before the response was complete.',
  ],
  TooManyUploads: [429, 'Too many uploads are in progress. Try again when some have ended.'],
  TooManyUnknownCalls: [429, 'Too many requests for unknown calls. Try again shortly.'],
  TooManyConnections: [503, 'Too many connections are open. Try again shortly.'],
  TooManyRequests: [429, 'Too many requests of this caller are in progress. Try again when some have ended.'],
  Overloaded: [503, 'This instance is overloaded. Try again shortly.'],
  TooManyCalls: [
    503,
    'This instance already admits media for the maximum number of calls. Try again; another instance may have capacity.',
  ],
  ShuttingDown: [503, 'This instance is shutting down. Try again; another instance will answer.'],
  ClientGone: [499, 'The client closed the connection before the response.'],
  InternalFault: [
    500,
    'Internal error. It is unknown whether the request took effect; see the log of this instance.',
  ],
} as const satisfies Record<string, readonly [status: number, text: string]>;

export type ReasonCode = keyof typeof reasons;

export const statusOf = (reason: ReasonCode): number => reasons[reason][0];
export const textOf = (reason: ReasonCode): string => reasons[reason][1];
