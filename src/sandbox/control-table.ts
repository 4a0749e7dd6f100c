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
    'creates a call and invites the bot: 201 `{callId}`',
  ),
  graph('GET /sandbox/calls/{id}', '', 'returns what the participants of the call see'),
  graph('DELETE /sandbox/calls/{id}', '', 'ends the call as if all participants had left'),
  graph(
    'POST /sandbox/calls/{id}/terminate',
    '`code`, `subcode`, `message`',
    'ends the call with this `resultInfo`',
  ),
  graph(
    'POST /sandbox/calls/{id}/participants',
    '`user`, `displayName`',
    'adds a participant: 201 `{participantId}`',
  ),
  graph('DELETE /sandbox/calls/{id}/participants/{id}', '', 'removes a participant'),
  graph('GET /sandbox/log', '', 'returns the requests that Graph received'),
  graph('GET /sandbox/banner', '', 'returns every change of the recording banner that participants see'),
  graph(
    'GET /sandbox/notifications',
    '',
    'returns the delivered notifications with their responses, and the held ones',
  ),
  graph(
    'POST /sandbox/notifications',
    '`mode`: `send`, `hold` or `drop`; `next`',
    'sets what happens to all further notifications, or to the `next` ones',
  ),
  graph(
    'POST /sandbox/notifications/release',
    '`order`: a list of ids',
    'sends the held notifications, or the listed ones in this order; ids may be repeated, and delivered notifications are sent again',
  ),
  graph(
    'POST /sandbox/notify',
    '`call`, `body`, `claims`, `url`, `token`',
    'sends any batch or text with any token immediately',
  ),
  graph(
    'POST /sandbox/script',
    '`action`, `call`, `asked`, `times`, `answer`, `delayMs`, `hold`, `effect`',
    'adds a rule: how the next requests are answered, and whether they take effect: 201 `{id}`; see below',
  ),
  graph('POST /sandbox/script/{id}/release', '', 'releases what waits for this rule'),
  graph('POST /sandbox/release', '', 'releases what waits for any rule'),
  bot(
    'GET /sandbox/received',
    '',
    'returns the notifications that the proxy forwarded, without tokens, and the calls that the bot answered',
  ),
  bot(
    'POST /sandbox/answers',
    '`status` (also `reset`, `none`), `headers`, `body`, `delayMs`, `times`',
    'sets how the bot responds to the next notifications',
  ),
];

/** Rules for `POST /sandbox/script` that are often wanted, and what Graph does then. */
export const exampleScripts: readonly (readonly [rule: string, graph: string])[] = [
  [
    '"answer": {"pending": {"afterMs": 3000}}',
    'responds with `running`; completes the operation after 3 s and sends a notification',
  ],
  [
    '"answer": {"pending": {"then": "failed"}}',
    'responds with `running`; fails the operation when the rule is released',
  ],
  ['"delayMs": 3000', 'takes effect immediately and responds after 3 s'],
  ['"delayMs": 3000, "effect": {"afterMs": 3000}', 'takes effect and responds after 3 s'],
  ['"answer": "notPolicyCall"', 'responds with error 8506'],
  ['"answer": "throttled"', 'responds with 429 and Retry-After'],
  ['"answer": "none"', 'takes effect and never responds; with `"effect": "never"` it has no effect either'],
  ['"effect": "never"', 'responds with success but has no effect: participants do not see the new status'],
];
