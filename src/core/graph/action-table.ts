import type { ReasonCode } from '../reasons.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** What an action does to the gate; the words are a column of docs/reference/actions.md. */
export const effects = {
  pass: 'forwarded',
  create: 'forwarded; binds the new call',
  answer: 'forwarded; binds the call',
  keepAlive: 'forwarded; a 404 ends the call',
  recordingStatus: 'start (`recording`) or stop (`notRecording`, `failed`)',
  hangUp: 'stop, then hang-up',
  persistMedia: 'persists media: forwarded only while the gate is open and if the policy allows it',
  readOperation: 'forwarded; location and access token of a recording are removed while the gate is closed',
  updateMetadata: 'validated; forwarded if the policy allows it, with a digest in the evidence',
  patchOperation: 'validated; forwarded if the policy allows it; never opens a gate',
  refuse: 'refused',
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

const undocumented = 'not documented by Microsoft; it exists only in generated API descriptions';

/** Every Graph request that is known here (docs/design/spellings.md). What is not on this list is refused. */
export const actions: readonly ActionRow[] = [
  onCall('updateRecordingStatus', 'recordingStatus'),
  row('DELETE', call, 'hangUp'),
  onCall('recordResponse', 'persistMedia', {
    why: 'Graph itself records the call and returns the recording',
  }),
  onCall('record', 'persistMedia', { version: 'beta', why: 'the predecessor of recordResponse' }),
  onCall('updateMetadata', 'updateMetadata'),
  onCall('keepAlive', 'keepAlive'),
  onCall('answer', 'answer', { callbackUri: true }),
  onCall('reject'),
  onCall('redirect', 'pass', { callbackUri: true }),
  onCall('transfer'),
  onCall('playPrompt'),
  onCall('subscribeToTone', 'pass', {
    why: 'tones are derived data: put what stores them behind a media route',
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
  row('PATCH', call, 'refuse', 'it could change where Graph sends the notifications of the call'),
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
    ...row('POST', '$batch', 'refuse', 'a batch would hide status changes from the gate'),
    reason: 'BatchRefused',
  },
];
