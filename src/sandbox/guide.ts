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
  const tell = (what: string, body?: object): string =>
    `curl -s -X POST ${body === undefined ? '' : `-d '${JSON.stringify(body)}' `}${graph.url}/sandbox/${what}`;
  const rows: readonly (readonly [string, string])[] = [
    ['Set up', `PROXY=${proxy.url} CALL=${call} TOKEN=$(curl -s ${mint.url}/token)`],
    ['1. An upload before the notice is refused', upload('early')],
    ['2. The bot reports recording; Graph confirms', status('recording')],
    ['3. Now the upload is stored', upload('first')],
    [
      '4. A long upload, and notRecording while it runs: it is cut before Graph hears of the stop',
      `(head -c 3000000 /dev/zero | curl -s -H "Authorization: Bearer $TOKEN" --limit-rate 100k -T - $PROXY/media/$CALL/long &) ; sleep 1 ; ${status('notRecording')}`,
    ],
    ['5. After the stop the upload is refused again', upload('late')],
    ['What participants saw', `curl -s ${graph.url}/sandbox/banner`],
    ['What Graph received', `curl -s ${graph.url}/sandbox/log`],
    ['What was stored', `curl -s -H "Authorization: Bearer $TOKEN" $PROXY/media/$CALL/`],
    ['Numbers and readiness', `curl -s ${proxy.adminUrl}/metrics ${proxy.adminUrl}/readyz`],
    ['Check the evidence', `node ${verifier} ${directory}/evidence`],
    [
      'Another call: Graph invites the bot, which takes the call through the proxy',
      `CALL=$(${tell('calls', {})} | grep -o '[0-9a-f-]\\{36\\}')`,
    ],
    ['What the bot was sent, and which calls it took', `curl -s ${callbackBot.url}/sandbox/received`],
    ['What Graph delivered, and what it was answered', `curl -s ${graph.url}/sandbox/notifications`],
    [
      'Graph answers the next status change with a pending operation, which it completes by a notification after 3 s',
      tell('script', { action: 'updateRecordingStatus', answer: { pending: { afterMs: 3000 } } }),
    ],
    [
      'Notifications are held back, and let go',
      `${tell('notifications', { mode: 'hold' })} ; ${tell('notifications/release')} ; ${tell('notifications', { mode: 'send' })}`,
    ],
    ['Somebody joins the call', tell('calls/$CALL/participants', {})],
    ['Graph ends the call', tell('calls/$CALL/terminate', { code: 200, subcode: 5001 })],
    [
      "The bot's next answer is late and another one",
      `curl -s -d '{"status":500,"delayMs":2000}' ${callbackBot.url}/sandbox/answers`,
    ],
  ];
  return [
    'Tallylight sandbox: everything is on loopback, nothing leaves this machine.',
    '',
    `  proxy       ${proxy.url}   (health and numbers: ${proxy.adminUrl})`,
    `  fake Graph  ${graph.url}`,
    `  media sink  ${sink.url}   (stores in ${directory}/media)`,
    `  token mint  ${mint.url}`,
    ownBot === undefined
      ? `  bot         ${callbackBot.url}   (Graph notifies it at ${proxy.url}/callbacks/calls)`
      : `  bot         ${ownBot}   (Graph notifies it at ${proxy.url}${new URL(ownBot).pathname})`,
    '',
    'What to try, line by line, in another terminal:',
    '',
    ...rows.flatMap(([what, line]) => [`  # ${what}`, `  ${line}`, '']),
  ].join('\n');
}

/** Where the verifier is, from where the sandbox was started: in the repository or in an installed package. */
const verifier = relative(process.cwd(), fileURLToPath(new URL('../cli/verify.js', import.meta.url)));
