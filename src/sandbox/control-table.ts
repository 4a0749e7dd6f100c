/** One request that the sandbox's peers take from whoever tests a bot. */
export interface ControlRow {
  readonly peer: 'fake Graph' | 'bot';
  readonly request: string;
  /** The JSON it takes; empty: none. */
  readonly body: string;
  readonly what: string;
}

const graph = (request: string, body: string, what: string): ControlRow => ({
  peer: 'fake Graph',
  request,
  body,
  what,
});
const bot = (request: string, body: string, what: string): ControlRow => ({
  peer: 'bot',
  request,
  body,
  what,
});

/** What a test of a bot can make the sandbox do. The table of the documentation is generated from it. */
export const sandboxControl: readonly ControlRow[] = [
  graph(
    'POST /sandbox/calls',
    '`tenant`, `app`, `policyBased`, `answered`, `callChainId`, `threadId`, `transferor`, `pairedWith`, …',
    'Graph invites the bot to a call: 201 `{callId}`',
  ),
  graph('GET /sandbox/calls/{id}', '', 'what the participants of the call see'),
  graph('DELETE /sandbox/calls/{id}', '', 'the conversation is over'),
  graph('POST /sandbox/calls/{id}/terminate', '`code`, `subcode`, `message`', 'the call ends for a reason'),
  graph(
    'POST /sandbox/calls/{id}/participants',
    '`user`, `displayName`',
    'somebody joins: 201 `{participantId}`',
  ),
  graph('DELETE /sandbox/calls/{id}/participants/{id}', '', 'somebody leaves'),
  graph('GET /sandbox/log', '', 'the requests that Graph received'),
  graph('GET /sandbox/banner', '', 'every change of what participants see'),
  graph('GET /sandbox/notifications', '', 'what was delivered, and what it was answered; what is held back'),
  graph(
    'POST /sandbox/notifications',
    '`mode`: `send`, `hold` or `drop`; `next`',
    'what becomes of all notifications from now on, or of the `next` ones',
  ),
  graph(
    'POST /sandbox/notifications/release',
    '`order`: a list of ids',
    'sends what is held, or these in this order; an id may come twice, and what was sent before is sent again',
  ),
  graph(
    'POST /sandbox/notify',
    '`call`, `body`, `claims`, `url`, `token`',
    'sends any batch, or any text, with any token, now',
  ),
  graph(
    'POST /sandbox/script',
    '`action`, `call`, `asked`, `times`, `answer`, `delayMs`, `hold`, `effect`',
    'how the next requests are answered, and whether they act: 201 `{id}`; see below',
  ),
  graph('POST /sandbox/script/{id}/release', '', 'what waits for the rule happens now'),
  graph('POST /sandbox/release', '', 'what waits for any rule happens now'),
  bot(
    'GET /sandbox/received',
    '',
    'what the proxy passed on, without tokens, and the calls that the bot took',
  ),
  bot(
    'POST /sandbox/answers',
    '`status` (also `reset`, `none`), `headers`, `body`, `delayMs`, `times`',
    'how the next notifications are answered',
  ),
];

/** Rules for `POST /sandbox/script` that are often wanted, and what Graph does then. */
export const usualScripts: readonly (readonly [rule: string, graph: string])[] = [
  [
    '"answer": {"pending": {"afterMs": 3000}}',
    'answers `running`; after 3 s the operation is completed, and a notification says so',
  ],
  [
    '"answer": {"pending": {"then": "failed"}}',
    'answers `running`; the operation fails when the rule is released',
  ],
  ['"delayMs": 3000', 'acts now and answers late'],
  ['"delayMs": 3000, "effect": {"afterMs": 3000}', 'acts late as well'],
  ['"answer": "notPolicyCall"', 'error 8506'],
  ['"answer": "throttled"', '429 with a Retry-After'],
  ['"answer": "none"', 'acts and never answers; with `"effect": "never"` it does not act either'],
  ['"effect": "never"', 'says that it was done, and does nothing: participants are shown something else'],
];
