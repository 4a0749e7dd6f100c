import { describe, expect, test } from '@jest/globals';
import { parseCallKey } from '../../../../src/core/call/key.ts';
import type { Decision } from '../../../../src/core/decision.ts';
import {
  actionName,
  callPathOf,
  identifyAction,
  type GraphAction,
} from '../../../../src/core/graph/identify-action.ts';
import { actions, effects } from '../../../../src/core/graph/action-table.ts';
import { parseRequestTarget } from '../../../../src/core/http/request-target.ts';

const guid = '57dab8b1-894c-409a-b240-bd8beae78896';
const undashed = '57DAB8B1894C409AB240BD8BEAE78896';
const key = parseCallKey(guid)!;
const call = `/v1.0/communications/calls/${guid}`;

function identify(method: string, target: string): Decision<GraphAction> {
  const parsed = parseRequestTarget(target);
  return parsed.ok ? identifyAction(method, parsed.value) : parsed;
}

function granted(method: string, target: string): GraphAction {
  const action = identify(method, target);
  if (!action.ok) throw new Error(`${method} ${target}: ${action.reason} ${action.detail ?? ''}`);
  return action.value;
}

describe('updateRecordingStatus is recognised, and sent on in its canonical form, when spelled', () => {
  const plain = `${call}/updateRecordingStatus`;
  const long = `${call}/microsoft.graph.updateRecordingStatus`;
  test.each([
    ['as documented', plain, plain],
    ['with its namespace', long, long],
    ['with its namespace in capitals', `${call}/MICROSOFT.GRAPH.UPDATERECORDINGSTATUS`, long],
    ['in lower case', plain.toLowerCase(), plain],
    ['in capitals', plain.toUpperCase(), plain.replace(guid, guid.toUpperCase())],
    ['for beta', plain.replace('v1.0', 'BETA'), plain.replace('v1.0', 'beta')],
    [
      'with the deprecated root',
      plain.replace('communications', 'App'),
      plain.replace('communications', 'app'),
    ],
    ['with the id as a key', plain.replace(`/${guid}`, `('${guid}')`), plain],
    ['with the id as an encoded key', plain.replace(`/${guid}`, `%28%27${guid}%27%29`), plain],
    ['with the undashed id', plain.replace(guid, undashed), plain.replace(guid, undashed)],
    ['with an encoded letter', plain.replace('update', '%75pdate'), plain],
    ['with an encoded dot and hyphens', plain.replace('v1.0', 'v1%2E0').replaceAll('-', '%2d'), plain],
    ['with every letter encoded', encodeAll(plain), plain],
    ['with empty segments', plain.replaceAll('/', '//'), plain],
    ['with dot segments', plain.replaceAll('/', '/./'), plain],
    ['with encoded dot segments', plain.replaceAll('/', '/%2e/'), plain],
    ['with a trailing slash', `${plain}/`, plain],
    ['with a query', `${plain}?a=b`, `${plain}?a=b`],
    ['with a slash and a query', `${plain}/?$select=id`, `${plain}?$select=id`],
    ['with an empty query', `${plain}?`, plain],
  ])('%s: %s', (_what, target, path) => {
    const action = granted('POST', target);
    expect(action).toMatchObject({ call: key, path, row: { effect: 'recordingStatus' } });
    expect(action.version).toBe(path.startsWith('/beta') ? 'beta' : 'v1.0');
    expect(action.appAlias).toBe(path.includes('/app/'));
  });

  test.each([
    ['encoded twice', `${call}/%2575pdateRecordingStatus`, 'TargetInvalid'],
    ['with an encoded slash', `${call}%2FupdateRecordingStatus`, 'TargetInvalid'],
    ['with an encoded backslash', `${call}%5CupdateRecordingStatus`, 'TargetInvalid'],
    ['with a NUL at the end', `${call}/updateRecordingStatus%00`, 'TargetInvalid'],
    ['with overlong UTF-8', `${call}%C0%AFupdateRecordingStatus`, 'TargetInvalid'],
    ['by climbing', `${call}/keepAlive/../updateRecordingStatus`, 'TargetInvalid'],
    ['by climbing, encoded', `${call}/keepAlive/%2e%2e/updateRecordingStatus`, 'TargetInvalid'],
    ['with parameters', `${call}/updateRecordingStatus;a=b`, 'TargetInvalid'],
    [
      'with parameters further up',
      `/v1.0/communications;a/calls/${guid}/updateRecordingStatus`,
      'TargetInvalid',
    ],
    ['with a fragment', `${call}/keepAlive#/updateRecordingStatus`, 'TargetInvalid'],
    ['in absolute form', `https://graph.microsoft.com${call}/updateRecordingStatus`, 'TargetInvalid'],
    ['with parentheses', `${call}/updateRecordingStatus()`, 'ActionUnknown'],
    ['with an empty key', `${call}/updateRecordingStatus('')`, 'ActionUnknown'],
    ['as a key', `${call}('updateRecordingStatus')`, 'ActionUnknown'],
    ['with a space at the end', `${call}/updateRecordingStatus%20`, 'ActionUnknown'],
    ['with another namespace', `${call}/graph.updateRecordingStatus`, 'ActionUnknown'],
    [
      'with its namespace twice',
      `${call}/microsoft.graph.microsoft.graph.updateRecordingStatus`,
      'ActionUnknown',
    ],
    ['behind a type cast', `${call}/microsoft.graph.call/updateRecordingStatus`, 'ActionUnknown'],
    ['below another action', `${call}/keepAlive/updateRecordingStatus`, 'ActionUnknown'],
    ['without a version', `/communications/calls/${guid}/updateRecordingStatus`, 'ActionUnknown'],
    ['for another version', `/v2.0/communications/calls/${guid}/updateRecordingStatus`, 'ActionUnknown'],
    [
      'with the version twice',
      `/v1.0/v1.0/communications/calls/${guid}/updateRecordingStatus`,
      'ActionUnknown',
    ],
    ['with both roots', `/v1.0/app/communications/calls/${guid}/updateRecordingStatus`, 'ActionUnknown'],
    ['below a user', `/v1.0/me/communications/calls/${guid}/updateRecordingStatus`, 'ActionUnknown'],
    ['with an unquoted key', `/v1.0/communications/calls(${guid})/updateRecordingStatus`, 'ActionUnknown'],
    ['with a named key', `/v1.0/communications/calls(id='${guid}')/updateRecordingStatus`, 'ActionUnknown'],
    [
      'with a double-quoted key',
      `/v1.0/communications/calls("${guid}")/updateRecordingStatus`,
      'ActionUnknown',
    ],
    [
      'with the collection as a key',
      `/v1.0/communications('calls')/${guid}/updateRecordingStatus`,
      'ActionUnknown',
    ],
    [
      'with the root as a key',
      `/beta('communications')/calls/${guid}/updateRecordingStatus`,
      'ActionUnknown',
    ],
    [
      'with the action as a key of nothing',
      `/v1.0/communications/calls/${guid}('keepAlive')`,
      'ActionUnknown',
    ],
  ] as const)('and is refused %s: %s', (_what, target, reason) => {
    expect(identify('POST', target)).toRefuse(reason);
  });

  test('and is refused with letters that only look alike in another case', () => {
    expect(identify('POST', `${call}/%E2%84%AAeepAlive`)).toRefuse('ActionUnknown'); // the Kelvin sign
    expect(identify('POST', `${call}/updateRecordingStatu%C5%BF`)).toRefuse('ActionUnknown'); // the long s
    expect(identify('POST', `${call}/updateRecordingStatus%E2%80%8B`)).toRefuse('ActionUnknown');
  });
});

function encodeAll(path: string): string {
  return path.replace(/[^/]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);
}

describe('a batch is refused, whatever its spelling', () => {
  test.each(['/v1.0/$batch', '/beta/$batch', '/v1.0/%24batch', '/v1.0/$BATCH/', '//v1.0/./$batch?a=b'])(
    '%s',
    (target) => {
      expect(identify('POST', target)).toRefuse('BatchRefused');
    },
  );

  test.each(['/v1.0/communications/$batch', '/$batch', `${call}/$batch`, "/v1.0/('$batch')"])(
    'also where none is offered: %s',
    (target) => {
      expect(identify('POST', target)).toRefuse('ActionUnknown');
    },
  );
});

describe('call ids', () => {
  test('have one key however they are spelled', () => {
    const keys = [guid, guid.toUpperCase(), undashed, undashed.toLowerCase()].flatMap((id) => [
      granted('GET', `/v1.0/communications/calls/${id}`).call,
      granted('GET', `/v1.0/communications/calls('${id}')`).call,
    ]);
    expect(new Set(keys)).toEqual(new Set([key]));
  });

  test.each(['abc', '1', '00000000', `${guid}a`, guid.slice(1), `${undashed}0`, `.${guid}`, 'me'])(
    'that are no GUID are refused: %s',
    (id) => {
      expect(identify('POST', `/v1.0/communications/calls/${id}/updateRecordingStatus`)).toRefuse(
        'CallIdInvalid',
      );
      expect(identify('DELETE', `/v1.0/communications/calls('${id}')`)).toRefuse('CallIdInvalid');
    },
  );

  test.each([`{${guid}}`, `${guid}%20`, `${guid}%0A`, '%E2%82%AC', '$count', 'a'.repeat(201)])(
    'that are no ids at all match nothing: %s',
    (id) => {
      expect(identify('POST', `/v1.0/communications/calls/${id}/updateRecordingStatus`).ok).toBe(false);
    },
  );
});

describe('an id that is written as a key never climbs', () => {
  test.each([
    ['DELETE', `${call}/participants('..')`],
    ['DELETE', `${call}/participants('.')`],
    ['PATCH', `${call}/operations('..')`],
    ['GET', `${call}/operations('%2e%2e')`],
    ['GET', `${call}/operations('.')`],
    ['GET', "/v1.0/communications/callRecords('..')"],
    ['DELETE', "/v1.0/communications/calls('..')"],
  ])('%s %s', (method, target) => {
    expect(identify(method, target)).toRefuse('ActionUnknown');
  });

  test('while other ids may be', () => {
    const action = granted('GET', `/beta/communications/calls('${guid}')/operations('a.b-c')`);
    expect(action).toMatchObject({ operationId: 'a.b-c', call: key });
    expect(action.path).toBe(`/beta/communications/calls/${guid}/operations/a.b-c`);
  });
});

describe('what is not on the list is refused', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/v1.0'],
    ['GET', '/v1.0/me'],
    ['POST', '/v1.0/communications'],
    ['POST', `${call}/startRecording`],
    ['GET', `${call}/transcription`],
    ['PUT', '/v1.0/$batch'],
    ['GET', `/v1.0/communications/onlineMeetings/${guid}/recordings/${guid}/content`],
    ['GET', `/v1.0/communications/onlineMeetings/${guid}/transcripts/${guid}/content`],
    ['GET', '/v1.0/communications/onlineMeetings/getAllRecordings(a=b)'],
    ['GET', `/v1.0/users/${guid}/onlineMeetings`],
    ['GET', '/v1.0/$metadata'],
  ])('%s %s', (method, target) => {
    expect(identify(method, target)).toRefuse('ActionUnknown');
  });

  test.each([
    ['GET', `${call}/updateRecordingStatus`, 'POST'],
    ['PATCH', `${call}/updateRecordingStatus`, 'POST'],
    ['post', `${call}/updateRecordingStatus`, 'POST'],
    ['PUT', call, 'DELETE, GET'],
    ['POST', call, 'DELETE, GET'],
    ['HEAD', `${call}/operations`, 'GET'],
    ['PUT', '/v1.0/communications/calls', 'POST'],
    ['DELETE', `${call}/operations`, 'GET'],
  ])('%s %s names the methods that are offered', (method, target, offered) => {
    const decision = identify(method, target);
    expect(decision).toRefuse('MethodNotAllowed');
    expect(decision).toMatchObject({ detail: `allowed: ${offered}` });
  });

  test.each([
    ['record', 'ActionUnknown'],
    ['microsoft.graph.record', 'ActionUnknown'],
    // The path has the form of a participant's, which takes other methods.
    ['participants/muteAll', 'MethodNotAllowed'],
    ['participants/microsoft.graph.muteAll', 'MethodNotAllowed'],
  ] as const)('on v1.0, where %s exists only in beta', (action, reason) => {
    expect(identify('POST', `${call}/${action}`)).toRefuse(reason);
    expect(granted('POST', `${call.replace('v1.0', 'beta')}/${action}`).version).toBe('beta');
  });
});

describe('functions of call records', () => {
  const records = '/v1.0/communications/callRecords';
  const canonical = 'getPstnCalls(fromDateTime=2026-01-01,toDateTime=2026-01-31)';
  test.each([
    [canonical, canonical],
    ['getPstnCalls(toDateTime=2026-01-31,fromDateTime=2026-01-01)', canonical],
    ['GETPSTNCALLS(FROMDATETIME=2026-01-01,TODATETIME=2026-01-31)', canonical],
    ['getPstnCalls(fromDateTime=2026-01-01,%20toDateTime%20=%202026-01-31)', canonical],
    ['getPstnCalls%28fromDateTime%3D2026-01-01%2CtoDateTime%3D2026-01-31%29', canonical],
    [`microsoft.graph.callRecords.${canonical}`, `microsoft.graph.callRecords.${canonical}`],
    [`MICROSOFT.GRAPH.CALLRECORDS.${canonical}`, `microsoft.graph.callRecords.${canonical}`],
    [
      'getDirectRoutingCalls(fromDateTime=2026-01-01T00:00:00Z,toDateTime=2026-01-31T23:59:59.123+01:00)',
      'getDirectRoutingCalls(fromDateTime=2026-01-01T00:00:00Z,toDateTime=2026-01-31T23:59:59.123+01:00)',
    ],
  ])('are recognised: %s', (spelling, path) => {
    expect(granted('GET', `${records}/${spelling}`).path).toBe(`${records}/${path}`);
    expect(identify('POST', `${records}/${spelling}`)).toRefuse('MethodNotAllowed');
  });

  test.each([
    'getPstnCalls()',
    'getPstnCalls(fromDateTime=2026-01-01)',
    'getPstnCalls(fromDateTime=2026-01-01,toDateTime=)',
    "getPstnCalls(fromDateTime='2026-01-01',toDateTime='2026-01-31')",
    'getPstnCalls(fromDateTime=yesterday,toDateTime=2026-01-31)',
    'getPstnCalls(fromDateTime=@a,toDateTime=2026-01-31)',
    'getPstnCalls(fromDateTime=2026-01-01,toDateTime=2026-01-31,top=1)',
    'getPstnCalls(fromDateTime=2026-01-01,fromDateTime=2026-01-02,toDateTime=2026-01-31)',
    'getPstnCalls(fromDateTime=2026-01-01=2026-01-02,toDateTime=2026-01-31)',
    'getPstnCalls(fromDateTime=2026-01-01,untilDateTime=2026-01-31)',
    `getPstnCalls(fromDateTime=${'1'.repeat(41)},toDateTime=2026-01-31)`,
    `microsoft.graph.${canonical}`,
    `${canonical}${canonical}`,
    `(${canonical})`,
    'getAnything(fromDateTime=2026-01-01,toDateTime=2026-01-31)',
  ])('are refused: %s', (spelling) => {
    expect(identify('GET', `${records}/${spelling}`)).toRefuse('ActionUnknown');
  });
});

describe('a read that expands operations is a read of operations', () => {
  test.each([
    '$expand=operations',
    'expand=Operations',
    '%24expand=operations',
    '$Expand=oper%61tions',
    '$expand=participants,operations($select=id)',
    '$expand=participants&$expand=operations',
    '$expand=*',
  ])('GET call?%s', (query) => {
    expect(granted('GET', `${call}?${query}`)).toMatchObject({
      row: { effect: 'readOperation', template: 'communications/calls/{call}' },
      path: `${call}?${query}`,
    });
  });

  test.each(['', '?$expand=participants', '?$select=operations', '?operations=1'])(
    'but not GET call%s',
    (query) => {
      expect(granted('GET', `${call}${query}`).row.effect).toBe('pass');
    },
  );

  test('and an action is what it was', () => {
    expect(granted('POST', `${call}/updateRecordingStatus?$expand=operations`).row.effect).toBe(
      'recordingStatus',
    );
    expect(granted('DELETE', `${call}?$expand=operations`).row.effect).toBe('hangUp');
  });
});

describe('names', () => {
  test('of actions are the short ones of the documentation', () => {
    const names = actions.map(actionName);
    expect(names).toEqual(expect.arrayContaining(['updateRecordingStatus', 'getPstnCalls', 'POST $batch']));
    expect(names).toContain('GET calls/{call}/operations/{operation}');
    for (const name of names) expect(name).toMatch(/^(?:[A-Z]+ )?[A-Za-z_0-9$/{}]+$/);
  });

  test('of the place of a call are as the caller spelled it, without what follows', () => {
    const action = granted('GET', `/beta/app/calls('${undashed}')/operations('1')?a=b`);
    expect(callPathOf(action)).toBe(`/beta/app/calls/${undashed}`);
    expect(callPathOf(granted('DELETE', `${call}?a=/b`))).toBe(call);
  });

  test('every effect of the table has words, and every refused row says why', () => {
    for (const row of actions) {
      expect(effects[row.effect]).toBeTruthy();
      if (row.effect === 'refuse') expect(row.why).toBeTruthy();
    }
  });
});
