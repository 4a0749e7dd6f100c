/**
 * Why a request was refused. The status comes from here alone; `text` says what happened and what to do.
 * A media write at a closed gate is 403, because storage clients retry 408, 409, 425, 429 and 5xx,
 * which would turn early media into late media.
 */
export const reasons = {
  TokenMissing: [401, 'No bearer token came with the request. Send one issued for this proxy.'],
  TokenInvalid: [401, 'The bearer token was verified and is not valid here.'],
  TokenExpired: [401, 'The bearer token has expired. Get a new one.'],
  TokenNotAllowed: [403, 'The token is genuine, but its tenant, application or role is not on the list.'],
  CannotVerify: [503, 'The token could not be checked: the key server did not answer. Try again later.'],
  GraphTokenUnreadable: [
    401,
    'The Graph token names no tenant and application that the call could be bound to.',
  ],

  TargetInvalid: [
    400,
    'The request target is not a plain path. Send it without dot segments, encoded slashes or parameters.',
  ],
  HeaderRepeated: [400, 'A header that may come only once came more than once. Send it once.'],
  ActionUnknown: [403, 'This path is not on the list of Graph actions that may pass.'],
  ActionRefused: [403, 'This Graph action is never passed.'],
  BatchRefused: [403, 'JSON batching would hide status changes from the gate. Send the requests one by one.'],
  MethodNotAllowed: [405, 'This method is not offered for this path.'],
  PolicyRefused: [403, 'The policy for this caller does not allow this action.'],
  CallIdInvalid: [400, 'The call id is not a GUID.'],
  CallNotFound: [404, 'There is no such call.'],
  CallEnded: [404, 'The call has ended. A new call needs its own confirmation.'],

  BodyInvalid: [400, 'The body is not the JSON that this action takes.'],
  BodyTooLarge: [413, 'The body is larger than what is read here.'],
  BodyIncomplete: [400, 'The body ended before it was complete.'],
  BodyTimeout: [408, 'The body did not arrive in time.'],
  AnswerUnread: [408, 'The client did not read the answer in time.'],
  ContentTypeUnsupported: [415, 'The body must be application/json.'],
  ContentEncodingUnsupported: [415, 'The body must not be compressed: it has to be judged.'],
  StatusInvalid: [400, 'The status must be "recording", "notRecording" or "failed".'],
  ExpectationFailed: [417, 'The only expectation that can be met is 100-continue.'],
  UpgradeRefused: [501, 'Protocol upgrades are not offered here.'],
  UpgradeRequired: [426, 'Only WebSockets are taken here, in version 13 of their protocol.'],
  UpgradeInvalid: [400, 'The request is not the opening handshake of a WebSocket.'],

  StatusInProgress: [409, 'Another status change of this call is on its way to Graph. Try again shortly.'],
  StopUnconfirmed: [
    409,
    'Graph has not confirmed the last notRecording, so recording cannot start. Send notRecording again.',
  ],
  DrainTimeout: [503, 'Writes of this call could not be ended in time, so the stop was not sent. Try again.'],
  StoreFresh: [
    503,
    'The store has just started without its data; status changes wait until old requests are certainly over.',
  ],
  StoreUnavailable: [503, 'The store does not answer, so gates stay closed. Try again later.'],

  EvidenceBacklog: [
    503,
    'Evidence waits too long to be made durable, so no recording starts and no write is let in. Try again later.',
  ],

  NotPolicyCall: [
    403,
    'Graph refused with 8506: this call was not created by a recording policy, so it can never be recorded. Do not try again.',
  ],
  TenantMismatch: [
    403,
    'Graph refused with 7505: the Graph token is of another tenant than the call, so this call cannot be recorded with it. Do not try again; get a Graph token for the tenant of the call.',
  ],
  GraphUnreachable: [502, 'Graph could not be reached.'],
  GraphTimeout: [504, 'Graph did not answer in time; whether it acted is unknown.'],
  GraphAnswerTooLarge: [502, 'The answer of Graph is larger than what can be judged.'],
  GraphAnswerUnreadable: [
    502,
    'The answer of Graph is not JSON that can be read, so it could not be searched for a recording and was not passed on.',
  ],
  GraphRedirect: [502, 'Graph redirected to another place; following it would leave the proxy.'],
  GraphCredentialMissing: [403, 'No Graph credential is configured for this caller.'],
  GraphCredentialUnavailable: [503, 'A Graph token could not be had. Try again later.'],

  RecordingNotActive: [
    403,
    'Recording of this call is not confirmed. Nothing of it may be kept; do not send this again later.',
  ],
  RecordingStopped: [403, 'Recording of this call ended while the write was under way; the write was cut.'],
  SessionLost: [
    503,
    'This instance lost its session in the store, so the write was cut; whether recording goes on is not known here. Send the write again: the gate decides anew.',
  ],
  BodyAlreadyRead: [
    500,
    'The body was read, or had a reader, before the gate decided about it. Mount the gate before body parsers and whatever else reads bodies.',
  ],
  ReadsRefused: [403, 'Reading is not offered on this media route.'],
  RouteUnknown: [404, 'No media route has this path.'],
  UpstreamUnreachable: [502, 'The media handler could not be reached.'],
  UpstreamTimeout: [504, 'The media handler did not answer in time.'],
  UpstreamFailed: [502, 'The media handler broke the connection.'],
  BotUnreachable: [502, 'The notification endpoint of the bot could not be reached.'],
  BotTimeout: [504, 'The notification endpoint of the bot did not answer in time.'],
  BotFailed: [502, 'The notification endpoint of the bot broke the connection.'],
  TooManyUploads: [429, 'Too many uploads are under way. Try again when some have ended.'],
  TooManyUnknownCalls: [429, 'Too many requests for calls that are not known here. Try again shortly.'],
  TooManyConnections: [503, 'Too many connections are open. Try again shortly.'],
  TooManyRequests: [429, 'Too many requests of one caller are under way. Try again when some have ended.'],
  Overloaded: [503, 'This instance has too much to do at the moment. Try again shortly.'],
  TooManyCalls: [
    503,
    'This instance admits media for as many calls as it may. Try again: another one may have room.',
  ],
  ShuttingDown: [503, 'This instance is shutting down. Try again: another one will answer.'],
  ClientGone: [499, 'The client went away before the answer.'],
  InternalFault: [500, 'Something that should work did not. Gates stay closed.'],
} as const satisfies Record<string, readonly [status: number, text: string]>;

export type ReasonCode = keyof typeof reasons;

export const statusOf = (reason: ReasonCode): number => reasons[reason][0];
export const textOf = (reason: ReasonCode): string => reasons[reason][1];
