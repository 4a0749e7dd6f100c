import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import request from 'supertest';
import { startBotEndpoint, type BotEndpoint } from '../../../src/sandbox/bot/endpoint.ts';
import { startFakeGraph, type FakeGraph } from '../../../src/sandbox/graph/fake-graph.ts';
import type { ScriptRule } from '../../../src/sandbox/graph/script.ts';
import { startTokenMint, type TokenMint } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';

interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly enum?: string[];
}
interface Description {
  readonly paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
  readonly components: { readonly schemas: Record<string, Schema> };
}

const file = new URL('../../fixtures/graph/openapi-v1.0-communications.json', import.meta.url);
const description = JSON.parse(readFileSync(file, 'utf8')) as Description;
// Metadata says `Completed`, every published answer says `completed`: this enum alone is read in both casings.
description.components.schemas['microsoft.graph.operationStatus']!.enum!.push(
  'notStarted',
  'running',
  'completed',
  'failed',
);

const ajv = new Ajv({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addFormat('decimal', { type: 'number', validate: Number.isFinite });
ajv.addSchema(description, 'graph');

const pointer = (...parts: string[]): string =>
  parts.map((part) => '/' + encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('');

/** The schema that the description has for an answer to this operation. */
function schemaOf(path: string, method: string, error = false): string {
  const responses = description.paths[path]?.[method]?.responses;
  const status = error ? 'default' : '2XX';
  const response = responses?.[status] as { $ref?: string } | undefined;
  if (response === undefined) throw new Error(`${method} ${path} has no ${status}`);
  const at = response.$ref ?? '#' + pointer('paths', path, method, 'responses', status);
  return `graph${at}/content/application~1json/schema`;
}

const validatorOf = (path: string, method: string, error = false): ValidateFunction =>
  ajv.compile({ $ref: schemaOf(path, method, error) });

const schemaNamed = (name: string): Schema => description.components.schemas[name] ?? {};

/** Schemas are open, so a misspelled property would pass: what a schema declares, its ancestors included. */
function declared(schema: Schema): string[] {
  if (schema.$ref !== undefined) return declared(schemaNamed(schema.$ref.split('/').at(-1) ?? ''));
  return [...Object.keys(schema.properties ?? {}), ...(schema.allOf ?? []).flatMap(declared)];
}

const call = '/communications/calls/{call-id}';
const records = '/communications/callRecords';
const window = 'fromDateTime={fromDateTime},toDateTime={toDateTime}';
const anHour = 60 * 60 * 1000;
const wholeDay = `fromDateTime=${new Date(Date.now() - 24 * anHour).toISOString()},toDateTime=${new Date().toISOString()}`;

let mint: TokenMint;
let graph: FakeGraph;
let token: string;
let bot: BotEndpoint;

beforeAll(async () => {
  mint = await startTokenMint();
  graph = await startFakeGraph({ verify: mint.verifyGraphToken, sign: mint.mintNotificationToken });
  bot = await startBotEndpoint();
  graph.connect({ webhook: bot.url });
  token = await mint.mintGraphToken();
});
afterAll(() => Promise.all([graph.close(), mint.close(), bot.close()]));

async function send(method: string, path: string, body?: object): Promise<request.Response> {
  const sent = request(graph.url)[method as 'get' | 'post' | 'patch'](`/v1.0${path}`).auth(token, {
    type: 'bearer',
  });
  return body === undefined ? sent : sent.send(body);
}

async function operation(status: string, rule?: Omit<ScriptRule, 'action'>): Promise<request.Response> {
  const id = graph.incomingCall();
  if (rule !== undefined) graph.script({ action: 'updateRecordingStatus', call: id, ...rule });
  const path = `/communications/calls/${id}/updateRecordingStatus`;
  return send('post', path, { status, clientContext: 'context' });
}

async function endedCall(): Promise<string> {
  const id = graph.incomingCall();
  const { body } = (await send('get', `/communications/calls/${id}`)) as { body: { callChainId: string } };
  graph.endCall(id);
  return body.callChainId;
}

async function below(
  id: string,
  path: (participant: string) => string,
  method = 'get',
): Promise<request.Response> {
  const list = `/communications/calls/${id}/participants`;
  const { body } = (await send('get', list)) as { body: { value: { id: string }[] } };
  return send(method, `${list}/${path(body.value[0]!.id)}`);
}

const invite = (id: string): Promise<request.Response> =>
  send('post', `/communications/calls/${id}/participants/invite`, { participants: [{}] });

async function session(rest: string): Promise<request.Response> {
  const path = `${records}/${await endedCall()}/sessions`;
  const { body } = (await send('get', path)) as { body: { value: { id: string }[] } };
  return send('get', `${path}/${body.value[0]!.id}${rest}`);
}

/** [what is asked, where the description has it, how the fake is brought to answer it, the schema of the body or item] */
const answers: [string, string, string, () => Promise<request.Response>, string][] = [
  ['a call', call, 'get', () => send('get', `/communications/calls/${graph.incomingCall()}`), 'call'],
  [
    'a call created by the bot',
    call,
    'get',
    () => send('post', '/communications/calls', { callbackUri: 'https://bot.example' }),
    'call',
  ],
  ...['recording', 'notRecording', 'failed'].flatMap((status): typeof answers =>
    ['updateRecordingStatus', 'microsoft.graph.updateRecordingStatus'].map((action) => [
      `${action}(${status})`,
      `${call}/${action}`,
      'post',
      () => send('post', `/communications/calls/${graph.incomingCall()}/${action}`, { status }),
      'updateRecordingStatusOperation',
    ]),
  ),
  [
    'a status update that runs',
    `${call}/updateRecordingStatus`,
    'post',
    () => operation('recording', { answer: { pending: {} } }),
    'updateRecordingStatusOperation',
  ],
  [
    'a status update that failed',
    `${call}/updateRecordingStatus`,
    'post',
    () =>
      operation('recording', {
        answer: { operation: { status: 'failed', resultInfo: { code: 500, subcode: 8, message: 'no' } } },
      }),
    'updateRecordingStatusOperation',
  ],
  [
    'recordResponse',
    `${call}/recordResponse`,
    'post',
    () => send('post', `/communications/calls/${graph.incomingCall()}/recordResponse`, { prompts: [] }),
    'recordOperation',
  ],
  [
    'an operation',
    `${call}/operations/{commsOperation-id}`,
    'get',
    async () => send('get', (await operation('recording')).headers.location!.split('/v1.0')[1]!),
    'updateRecordingStatusOperation',
  ],
  [
    'a changed operation',
    `${call}/operations/{commsOperation-id}`,
    'patch',
    async () =>
      send('patch', (await operation('recording')).headers.location!.split('/v1.0')[1]!, {
        clientContext: 'other',
      }),
    'updateRecordingStatusOperation',
  ],
  [
    'the operations of a call',
    `${call}/operations`,
    'get',
    async () =>
      send(
        'get',
        (await operation('recording')).headers.location!.split('/v1.0')[1]!.replace(/\/[^/]+$/, ''),
      ),
    'commsOperation',
  ],
  [
    'the call records',
    records,
    'get',
    async () => {
      await endedCall();
      return send('get', records);
    },
    'callRecords.callRecord',
  ],
  [
    'a call record with everything',
    `${records}/{callRecord-id}`,
    'get',
    async () =>
      send('get', `${records}/${await endedCall()}?$expand=participants_v2,sessions($expand=segments)`),
    'callRecords.callRecord',
  ],
  ...['getPstnCalls', 'microsoft.graph.callRecords.getPstnCalls'].map((name): (typeof answers)[number] => [
    name,
    `${records}/${name}(${window})`,
    'get',
    () => send('get', `${records}/${name}(${wholeDay})`),
    'callRecords.pstnCallLogRow',
  ]),
  [
    'getDirectRoutingCalls',
    `${records}/getDirectRoutingCalls(${window})`,
    'get',
    () => send('get', `${records}/getDirectRoutingCalls(${wholeDay})`),
    'callRecords.directRoutingLogRow',
  ],
];

describe("the fake's answers against Microsoft's description", () => {
  test.each(answers)('%s is as described', async (_, path, method, ask, name) => {
    const answer = await ask();
    const body = answer.body as Record<string, unknown>;
    expect(Math.floor(answer.status / 100)).toBe(2);
    expectValid(validatorOf(path, method), body);

    const items = Array.isArray(body.value) ? (body.value as Record<string, unknown>[]) : [body];
    expect(items).not.toEqual([]);
    const known = declared(schemaNamed(`microsoft.graph.${name}`));
    for (const item of items) {
      expect(Object.keys(item).filter((key) => !key.startsWith('@') && !known.includes(key))).toEqual([]);
    }
  });

  test.each(answers)(
    '%s with any one property of a wrong type is found out',
    async (_, path, method, ask) => {
      const body = (await ask()).body as Record<string, unknown>;
      const validate = validatorOf(path, method);
      for (const key of Object.keys(body).filter((name) => !name.startsWith('@'))) {
        // No property of these types may be a list of lists.
        expect([key, validate({ ...body, [key]: [[]] })]).toEqual([key, false]);
      }
    },
  );

  // Requests that the description does not have, whose bodies are of types that it has.
  test.each<[string, string, () => Promise<request.Response>]>([
    ...['playPrompt', 'subscribeToTone', 'cancelMediaProcessing', 'mute', 'unmute', 'sendDtmfTones']
      .concat('updateMetadata', 'addLargeGalleryView')
      .map((action): [string, string, () => Promise<request.Response>] => [
        action,
        'commsOperation',
        () => send('post', `/communications/calls/${graph.incomingCall()}/${action}`, {}),
      ]),
    [
      'participants',
      'participant',
      () => send('get', `/communications/calls/${graph.incomingCall()}/participants`),
    ],
    ['a participant', 'participant', () => below(graph.incomingCall(), (id) => id)],
    ['invite', 'commsOperation', () => invite(graph.incomingCall())],
    [
      'mute of a participant',
      'commsOperation',
      () => below(graph.incomingCall(), (id) => `${id}/mute`, 'post'),
    ],
    ['sessions', 'callRecords.session', async () => send('get', `${records}/${await endedCall()}/sessions`)],
    ['a session', 'callRecords.session', () => session('')],
    ['segments', 'callRecords.segment', () => session('/segments')],
    [
      'participants_v2',
      'callRecords.participant',
      async () => send('get', `${records}/${await endedCall()}/participants_v2`),
    ],
    [
      'organizer_v2',
      'callRecords.organizer',
      async () => send('get', `${records}/${await endedCall()}/organizer_v2`),
    ],
  ])('%s is of the type microsoft.graph.%s', async (_, name, ask) => {
    const body = (await ask()).body as Record<string, unknown>;
    const items = Array.isArray(body.value) ? (body.value as Record<string, unknown>[]) : [body];
    expect(items).not.toEqual([]);
    const validate = ajv.compile({ $ref: `graph#/components/schemas/microsoft.graph.${name}` });
    for (const item of items) {
      expectValid(validate, item);
      expect(validate({ ...item, id: 7 })).toBe(false);
      expect(Object.keys(item)).toEqual(expect.arrayContaining(['id']));
    }
  });

  test('the casing of an operation status is all that is read loosely', () => {
    const validate = ajv.compile({ $ref: 'graph#/components/schemas/microsoft.graph.commsOperation' });
    expect(validate({ id: '1', status: 'completed' })).toBe(true);
    expect(validate({ id: '1', status: 'Completed' })).toBe(true);
    expect(validate({ id: '1', status: 'complete' })).toBe(false);
    expect(validate({ id: '1', status: null })).toBe(false);
    const recording = ajv.compile({ $ref: 'graph#/components/schemas/microsoft.graph.recordingStatus' });
    expect(recording('recording')).toBe(true);
    expect(recording('Recording')).toBe(false);
  });

  test.each<[string, string, () => Promise<request.Response>, number]>([
    ['a call that does not exist', call, () => send('get', '/communications/calls/none'), 404],
    ['a status that is none', call, () => operation('recordingg'), 400],
    [
      'a call without a recording policy',
      call,
      () =>
        send(
          'post',
          `/communications/calls/${graph.incomingCall({ policyBased: false })}/updateRecordingStatus`,
          {
            status: 'recording',
          },
        ),
      403,
    ],
    ['a throttled request', call, () => operation('recording', { answer: 'throttled' }), 429],
    ['a failure of Graph', call, () => operation('recording', { answer: 'serverError' }), 500],
    ['no token', call, async () => request(graph.url).get('/v1.0/communications/calls/x'), 401],
  ])('the error for %s has the envelope', async (_, path, ask, status) => {
    const answer = await ask();
    expect(answer.status).toBe(status);
    const validate = validatorOf(path, 'get', true);
    expectValid(validate, answer.body);
    const { error } = answer.body as { error: { innerError: unknown } };
    expect(error.innerError).toEqual({
      date: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/),
      'request-id': answer.headers['request-id'],
      'client-request-id': answer.headers['client-request-id'],
    });
    expect(validate({ error: { code: 8506, message: 'a number, not a string' } })).toBe(false);
    expect(validate({ error: { code: '8506' } })).toBe(false);
  });
});

/** Properties of real notifications that the description does not have. */
const undeclared = ['applicationMetadata', 'endpointType'];

describe("the fake's notifications against Microsoft's description", () => {
  const told = async (call: string): Promise<Record<string, unknown>[]> => {
    await eventually(() => graph.deliveries.filter((one) => one.call === call).at(-1)?.status === 202);
    return bot.received
      .flatMap(
        ({ body }) => (JSON.parse(body) as { value: { resourceData: unknown; resource: string }[] }).value,
      )
      .filter(({ resource }) => resource.includes(call))
      .flatMap(({ resourceData }) => {
        const { participants = resourceData } = resourceData as { participants?: unknown };
        return participants as Record<string, unknown>[];
      });
  };

  test.each([{}, { isDeltaRosterEnabled: true }])(
    'with %j, all data are of their types',
    async (callOptions) => {
      const id = graph.incomingCall({ transferor: '33333333-3333-4333-8333-333333333333' });
      await send('post', `/communications/calls/${id}/answer`, { callOptions });
      const script = graph.script({ action: 'updateRecordingStatus', answer: { pending: {} } });
      await send('post', `/communications/calls/${id}/updateRecordingStatus`, { status: 'recording' });
      script.release();
      graph.removeParticipant(id, graph.addParticipant(id)!);
      graph.endCall(id);
      const data = await told(id);
      const types = data.map((item) => String(item['@odata.type']).replace('#', ''));
      expect(new Set(types)).toEqual(
        new Set(
          ['call', 'participant', 'updateRecordingStatusOperation'].map((name) => `microsoft.graph.${name}`),
        ),
      );
      for (const [index, item] of data.entries()) {
        const type = types[index]!;
        expectValid(ajv.compile({ $ref: `graph#/components/schemas/${type}` }), item);
        const known = [...declared(schemaNamed(type)), ...undeclared];
        expect(Object.keys(item).filter((key) => !key.startsWith('@') && !known.includes(key))).toEqual([]);
      }
    },
  );
});

function expectValid(validate: ValidateFunction, body: unknown): void {
  validate(body);
  expect(validate.errors ?? []).toEqual([]);
}
