import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sandbox } from './sandbox.ts';

/** What a person can try, as lines for a shell. */
export function guide(sandbox: Sandbox, call: string): string {
  const { proxy, graph, sink, mint, callbackBot, ownBot, directory } = sandbox;
  const status = (value: string): string =>
    `curl -i -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"status":"${value}"}' $PROXY/v1.0/communications/calls/$CALL/updateRecordingStatus`;
  const upload = (name: string): string =>
    `curl -i -H "Authorization: Bearer $TOKEN" --data-binary 'some media' $PROXY/media/$CALL/${name}`;
  const control = (what: string, body?: object): string =>
    `curl -s -X POST ${body === undefined ? '' : `-d '${JSON.stringify(body)}' `}${graph.url}/sandbox/${what}`;
  const rows: readonly (readonly [string, string])[] = [
    ['Set up', `PROXY=${proxy.url} CALL=${call} TOKEN=$(curl -s ${mint.url}/token)`],
    ['1. An upload before recording is confirmed is refused', upload('early')],
    ['2. The bot reports recording; Graph confirms it', status('recording')],
    ['3. An upload is now stored', upload('first')],
    [
      '4. notRecording during a long upload: the upload is aborted before Graph receives the stop',
      `(head -c 3000000 /dev/zero | curl -s -H "Authorization: Bearer $TOKEN" --limit-rate 100k -T - $PROXY/media/$CALL/long &) ; sleep 1 ; ${status('notRecording')}`,
    ],
    ['5. After the stop an upload is refused again', upload('late')],
    ['What participants saw', `curl -s ${graph.url}/sandbox/banner`],
    ['What Graph received', `curl -s ${graph.url}/sandbox/log`],
    ['What was stored', `curl -s -H "Authorization: Bearer $TOKEN" $PROXY/media/$CALL/`],
    ['Metrics and readiness', `curl -s ${proxy.adminUrl}/metrics ${proxy.adminUrl}/readyz`],
    ...(proxy.consoleUrl === undefined ? [] : consoleRows(proxy.consoleUrl)),
    ['Verify the evidence', `node ${verifier} ${directory}/evidence`],
    [
      'Another call: Graph invites the bot, and the bot answers through the proxy',
      `CALL=$(${control('calls', {})} | grep -o '[0-9a-f-]\\{36\\}')`,
    ],
    [
      'Notifications that the bot received, and calls that it answered',
      `curl -s ${callbackBot.url}/sandbox/received`,
    ],
    ['Notifications that Graph delivered, and the responses', `curl -s ${graph.url}/sandbox/notifications`],
    [
      'Graph responds to the next status change with a pending operation, which it completes after 3 s with a notification',
      control('script', { action: 'updateRecordingStatus', answer: { pending: { afterMs: 3000 } } }),
    ],
    [
      'Hold notifications, then release them',
      `${control('notifications', { mode: 'hold' })} ; ${control('notifications/release')} ; ${control('notifications', { mode: 'send' })}`,
    ],
    ['Add a participant to the call', control('calls/$CALL/participants', {})],
    ['Let Graph end the call', control('calls/$CALL/terminate', { code: 200, subcode: 5001 })],
    [
      'Let the bot respond late and with 500 to the next notification',
      `curl -s -d '{"status":500,"delayMs":2000}' ${callbackBot.url}/sandbox/answers`,
    ],
  ];
  return [
    'Tallylight sandbox: everything runs on loopback; nothing leaves this machine.',
    '',
    `  proxy       ${proxy.url}   (health and metrics: ${proxy.adminUrl})`,
    ...(proxy.consoleUrl === undefined ? [] : [`  console     ${proxy.consoleUrl}`]),
    `  fake Graph  ${graph.url}`,
    `  media sink  ${sink.url}   (stores in ${directory}/media)`,
    `  token mint  ${mint.url}`,
    ownBot === undefined
      ? `  bot         ${callbackBot.url}   (Graph notifies it at ${proxy.url}/callbacks/calls)`
      : `  bot         ${ownBot}   (Graph notifies it at ${proxy.url}${new URL(ownBot).pathname})`,
    '',
    'Try these commands, one after the other, in another terminal:',
    '',
    ...rows.flatMap(([what, line]) => [`  # ${what}`, `  ${line}`, '']),
  ].join('\n');
}

/** What an operator can do. */
const consoleRows = (url: string): readonly (readonly [string, string])[] => [
  ['Calls as the console sees them', `node ${program} calls --url ${url}`],
  ['Close the gate of the call by hand', `node ${program} close $CALL --reason test --url ${url}`],
  [
    'Keep every gate closed, and see which holds stand',
    `node ${program} hold --all --reason test --url ${url} ; node ${program} holds --url ${url}`,
  ],
  [
    'Release the hold; recordings can start again',
    `node ${program} release $(node ${program} holds --url ${url} | head -1 | cut -d ' ' -f 1) --reason over --url ${url}`,
  ],
];

/** Where the verifier is, from where the sandbox was started: in the repository or in an installed package. */
const verifier = relative(process.cwd(), fileURLToPath(new URL('../cli/verify.js', import.meta.url)));
const program = relative(process.cwd(), fileURLToPath(new URL('../cli/main.js', import.meta.url)));
