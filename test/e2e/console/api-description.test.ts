import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { parse } from 'yaml';
import { routes } from '../../../src/console/api/app.ts';
import { attentionKinds } from '../../../src/console/projection/attention.ts';
import type { StandingHold } from '../../../src/core/call/hold.ts';
import { stateNames } from '../../../src/core/call/state.ts';
import { askConsole, type ConsoleAnswer, listenToConsole, localConsole } from '../../support/console.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld, type World } from '../../support/world.ts';

interface Operation {
  readonly responses: Readonly<Record<string, object>>;
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, { readonly enum?: readonly string[] }>> };
}

const file = join(import.meta.dirname, '../../../docs/reference/console-api.yaml');
const description = parse(readFileSync(file, 'utf8')) as Description;
// The package is CommonJS whose declarations describe an ES module.
const addFormats = addFormatsModule as unknown as (ajv: Ajv2020) => void;
const ajv = new Ajv2020({ allErrors: true, strict: false });
addFormats(ajv);
ajv.addSchema(description, 'console');

const pointer = (...names: readonly string[]): string =>
  names.map((name) => `/${encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

/** What does not fit the description; an empty list: it fits. */
function misfits(where: string, value: unknown): readonly unknown[] {
  const validate = ajv.getSchema(`console#${where}`);
  if (validate === undefined) throw new Error(`the description has no ${where}`);
  void validate(value);
  return validate.errors ?? [];
}
const ofSchema = (name: string, value: unknown): readonly unknown[] =>
  misfits(pointer('components', 'schemas', name), value);

let world: World;
let url: string;
beforeAll(async () => {
  world = await startWorld({ settings: { console: localConsole } });
  url = world.proxy.consoleUrl ?? '';
});
afterAll(() => world.close());

/** Asks, and holds the answer against what the description says of this operation and status. */
async function ask(path: string, template: string, method = 'GET', body?: object): Promise<ConsoleAnswer> {
  const answer = await askConsole(url, path, { method, ...(body === undefined ? {} : { body }) });
  const operation = description.paths[template]?.[method.toLowerCase()];
  const status = String(answer.status);
  const described = Object.hasOwn(operation?.responses ?? {}, status);
  const found = described
    ? misfits(
        pointer(
          ...['paths', template, method.toLowerCase(), 'responses', status],
          ...['content', 'application/json', 'schema'],
        ),
        answer.body,
      )
    : ofSchema('Error', answer.body);
  expect({ path, status, found }).toEqual({ path, status, found: [] });
  return answer;
}

test('the description is valid OpenAPI', async () => {
  const { valid, errors } = await new Validator().validate(file);
  expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
});

test('it describes every route of the console, and no other', () => {
  const described = Object.entries(description.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method} ${path}`),
  );
  const served = routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  expect(described.sort()).toEqual([...served, 'post /api/session', 'delete /api/session'].sort());
});

test('it lists the states and the kinds of attention of the code', () => {
  const { State, CallRow } = description.components.schemas;
  expect(State?.enum).toEqual(stateNames);
  const { properties } = CallRow as unknown as {
    readonly properties: { readonly attention: { readonly items: { readonly enum: readonly string[] } } };
  };
  expect(properties.attention.items.enum).toEqual(Object.keys(attentionKinds));
});

describe('what the console answers fits it', () => {
  test('reads, acts and refusals', async () => {
    const bot = await world.bot();
    const early = await bot.upload('early', 10);
    expect(early.status).toBe(403);
    await bot.report('recording');
    await eventually(async () => (await askConsole(url, `/api/calls/${bot.call}`)).status === 200);
    await ask('/api/session', '/api/session');
    await ask('/api/calls', '/api/calls');
    await ask('/api/calls?state=recording&attention=0&limit=1', '/api/calls');
    await ask('/api/calls?state=open', '/api/calls');
    await ask('/api/calls?limit=0', '/api/calls');
    await ask('/api/calls?limit=1&limit=2', '/api/calls');
    await ask('/api/calls?limit=5&colour=red', '/api/calls');
    await ask(`/api/calls/${bot.call}`, '/api/calls/{id}');
    await ask('/api/calls/nothing', '/api/calls/{id}');
    await ask('/api/holds', '/api/holds');
    const closed = await ask(`/api/calls/${bot.call}/close`, '/api/calls/{id}/close', 'POST', {
      reason: 'audit',
    });
    expect(closed.status).toBe(200);
    await ask(`/api/calls/${bot.call}/close`, '/api/calls/{id}/close', 'POST', {});
    const set = await ask('/api/hold', '/api/hold', 'POST', { all: true, reason: 'audit' });
    const { id } = (set.body as { readonly hold: StandingHold }).hold;
    await ask('/api/holds', '/api/holds');
    await ask(`/api/hold/${id}`, '/api/hold/{id}', 'DELETE', { reason: 'over' });
    await ask(`/api/hold/${id}/release`, '/api/hold/{id}/release', 'POST', { reason: 'over' });
    await bot.hangUp();
    await eventually(async () => {
      const { body } = await ask(`/api/calls/${bot.call}`, '/api/calls/{id}');
      return (body as { readonly state: string }).state === 'ended';
    });
  });

  test('events', async () => {
    const bot = await world.bot();
    const stream = await listenToConsole(url);
    await bot.report('recording');
    await bot.upload('first', 100);
    const names = { snapshot: 'Snapshot', calls: 'ChangedCalls', activity: 'Activity', head: 'Head' };
    for (const name of Object.keys(names))
      await eventually(() => stream.events.some(({ event }) => event === name), { what: name });
    stream.close();
    for (const { event, data } of stream.events)
      expect({ event, found: ofSchema(names[event as keyof typeof names], data) }).toEqual({
        event,
        found: [],
      });
  });
});

test('pages of calls follow each other without a gap', async () => {
  for (let count = 0; count < 5; count++) await (await world.bot()).report('recording');
  const all = await eventually(async () => {
    const { body } = await askConsole(url, '/api/calls?limit=1000');
    const { calls } = body as { readonly calls: readonly { readonly id: string }[] };
    return calls.length >= 5 ? calls.map(({ id }) => id) : undefined;
  });
  const paged: string[] = [];
  for (let next: string | null = ''; next !== null;) {
    const { body } = await askConsole(url, `/api/calls?limit=2${next === '' ? '' : `&after=${next}`}`);
    const page = body as { readonly calls: readonly { readonly id: string }[]; readonly next: string | null };
    paged.push(...page.calls.map(({ id }) => id));
    next = page.next;
  }
  expect(paged).toEqual(all);
});
