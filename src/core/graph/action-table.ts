import type { ReasonCode } from '../reasons.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** What an action does to the gate; the words are a column of docs/reference/actions.md. */
export const effects = {
  pass: 'passes',
  create: 'passes; binds the new call',
  answer: 'passes; binds the call',
  keepAlive: 'passes; a 404 ends the call',
  recordingStatus: 'is a start (`recording`) or a stop (`notRecording`, `failed`)',
  hangUp: 'is a stop, then hangs up',
  persistMedia: 'persists media: needs the gate open and a policy that allows it',
  readOperation: 'passes; location and token of a recording are withheld while the gate is closed',
  updateMetadata: 'validated; passes where the policy allows it, with a digest in the evidence',
  patchOperation: 'validated; passes where the policy allows it, and never opens a gate',
  refuse: 'is refused',
} as const;

export type Effect = keyof typeof effects;

export interface ActionRow {
  readonly method: Method;
  /** Below `/{version}/`; `{call}` is the call id, other braces are ids. */
  readonly template: string;
  readonly effect: Effect;
  /** Set for bound actions and functions: the namespace that may precede the last segment. */
  readonly namespace?: string;
  /** Only in this version; absent: in both. */
  readonly version?: 'v1.0' | 'beta';
  /** Why the row is refused, or what to know about it. */
  readonly why?: string;
  readonly reason?: ReasonCode;
  /** Its body may say where Graph sends the notifications of the call. */
  readonly callbackUri?: true;
}

const call = 'communications/calls/{call}';
const records = 'communications/callRecords';

const on =
  (resource: string, namespace = 'microsoft.graph') =>
  (action: string, effect: Effect = 'pass', more: Partial<ActionRow> = {}): ActionRow => ({
    method: 'POST',
    template: `${resource}/${action}`,
    effect,
    namespace,
    ...more,
  });
const onCall = on(call);
const onParticipants = on(`${call}/participants`);
const onParticipant = on(`${call}/participants/{participant}`);
const onRecords = on(records, 'microsoft.graph.callRecords');

const row = (method: Method, template: string, effect: Effect = 'pass', why?: string): ActionRow => ({
  method,
  template,
  effect,
  ...(why === undefined ? {} : { why }),
});

const undocumented = 'no documentation offers this; it exists only in generated descriptions';

/** Every Graph request that is known here (docs/design/spellings.md). What is not on this list is refused. */
export const actions: readonly ActionRow[] = [
  onCall('updateRecordingStatus', 'recordingStatus'),
  row('DELETE', call, 'hangUp'),
  onCall('recordResponse', 'persistMedia', { why: 'Graph itself records and hands out the recording' }),
  onCall('record', 'persistMedia', { version: 'beta', why: 'the older twin of recordResponse' }),
  onCall('updateMetadata', 'updateMetadata'),
  onCall('keepAlive', 'keepAlive'),
  onCall('answer', 'answer', { callbackUri: true }),
  onCall('reject'),
  onCall('redirect', 'pass', { callbackUri: true }),
  onCall('transfer'),
  onCall('playPrompt'),
  onCall('subscribeToTone', 'pass', {
    why: 'tones are derived data: what stores them belongs behind a media route',
  }),
  onCall('cancelMediaProcessing'),
  onCall('mute'),
  onCall('unmute'),
  onCall('sendDtmfTones'),
  onCall('changeScreenSharingRole'),
  onCall('addLargeGalleryView'),
  { ...row('POST', 'communications/calls', 'create'), callbackUri: true },
  on('communications/calls')('logTeleconferenceDeviceQuality'),
  row('GET', call),
  row('PATCH', call, 'refuse', 'it could point the notifications of the call elsewhere'),
  row('GET', 'communications/calls', 'refuse', undocumented),

  row('GET', `${call}/operations`, 'readOperation'),
  row('GET', `${call}/operations/$count`),
  row('GET', `${call}/operations/{operation}`, 'readOperation'),
  row('PATCH', `${call}/operations/{operation}`, 'patchOperation'),
  row('POST', `${call}/operations`, 'refuse', undocumented),
  row('DELETE', `${call}/operations/{operation}`, 'refuse', undocumented),

  row('GET', `${call}/participants`),
  row('GET', `${call}/participants/$count`),
  onParticipants('invite'),
  onParticipants('muteAll', 'pass', { version: 'beta' }),
  row('GET', `${call}/participants/{participant}`),
  row('DELETE', `${call}/participants/{participant}`),
  onParticipant('mute'),
  onParticipant('startHoldMusic'),
  onParticipant('stopHoldMusic'),
  row('POST', `${call}/participants`, 'refuse', undocumented),
  row('PATCH', `${call}/participants/{participant}`, 'refuse', undocumented),

  row('GET', `${call}/audioRoutingGroups`),
  row('POST', `${call}/audioRoutingGroups`),
  row('GET', `${call}/audioRoutingGroups/{group}`),
  row('PATCH', `${call}/audioRoutingGroups/{group}`),
  row('DELETE', `${call}/audioRoutingGroups/{group}`),
  row('GET', `${call}/contentSharingSessions`),
  row('GET', `${call}/contentSharingSessions/{session}`),

  row('GET', records),
  row('GET', `${records}/{record}`),
  row('GET', `${records}/{record}/sessions`),
  row('GET', `${records}/{record}/sessions/{session}`),
  row('GET', `${records}/{record}/sessions/{session}/segments`),
  row('GET', `${records}/{record}/participants_v2`),
  row('GET', `${records}/{record}/organizer_v2`),
  onRecords('getPstnCalls(fromDateTime,toDateTime)', 'pass', { method: 'GET' }),
  onRecords('getDirectRoutingCalls(fromDateTime,toDateTime)', 'pass', { method: 'GET' }),

  {
    ...row('POST', '$batch', 'refuse', 'a batch hides status changes from the gate'),
    reason: 'BatchRefused',
  },
];
