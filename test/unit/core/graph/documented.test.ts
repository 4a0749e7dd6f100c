import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Decision } from '../../../../src/core/decision.ts';
import { identifyAction, type GraphAction } from '../../../../src/core/graph/identify-action.ts';
import type { Effect } from '../../../../src/core/graph/action-table.ts';
import { parseRequestTarget } from '../../../../src/core/http/request-target.ts';

const description = JSON.parse(
  readFileSync(new URL('../../../fixtures/graph/openapi-v1.0-communications.json', import.meta.url), 'utf8'),
) as { paths: Record<string, Record<string, unknown>> };

const guid = '57dab8b1-894c-409a-b240-bd8beae78896';
const methods = ['get', 'post', 'patch', 'put', 'delete'];

function identify(method: string, target: string): Decision<GraphAction> {
  const parsed = parseRequestTarget(target);
  return parsed.ok ? identifyAction(method, parsed.value) : parsed;
}

const described = Object.entries(description.paths).flatMap(([path, item]) =>
  Object.keys(item)
    .filter((method) => methods.includes(method))
    .map((method) => [method.toUpperCase(), path] as const),
);

describe("every request of Microsoft's OpenAPI description is judged", () => {
  test('and there are some', () => {
    expect(described.length).toBeGreaterThan(15);
  });

  test.each(described)('%s %s', (method, path) => {
    const target = `/v1.0${path}`.replace(/\{(\w+DateTime)\}/g, '2026-01-01').replace(/\{[\w-]+\}/g, guid);
    const decision = identify(method, target);
    if (decision.ok) expect(decision.value.path).toBe(target);
    else {
      expect(decision).toRefuse('ActionRefused');
      expect(decision.detail).toBeTruthy();
    }
  });

  test('and what only generated descriptions offer is refused with that reason', () => {
    const refused = described
      .map(
        ([method, path]) =>
          [method, path, identify(method, `/v1.0${path}`.replace(/\{[\w-]+\}/g, guid))] as const,
      )
      .filter(([, , decision]) => !decision.ok && decision.reason === 'ActionRefused')
      .map(([method, path]) => `${method} ${path}`);
    expect(refused).toEqual([
      'POST /communications/calls/{call-id}/operations',
      'DELETE /communications/calls/{call-id}/operations/{commsOperation-id}',
    ]);
  });
});

/** The methods of the call resource in the v1.0 documentation, and what each must do to the gate. */
const documented: readonly (readonly [string, string, Effect])[] = [
  ['POST', 'calls', 'create'],
  ['POST', 'calls/logTeleconferenceDeviceQuality', 'pass'],
  ['GET', 'calls/{id}', 'pass'],
  ['DELETE', 'calls/{id}', 'hangUp'],
  ['POST', 'calls/{id}/answer', 'answer'],
  ['POST', 'calls/{id}/reject', 'pass'],
  ['POST', 'calls/{id}/redirect', 'pass'],
  ['POST', 'calls/{id}/transfer', 'pass'],
  ['POST', 'calls/{id}/keepAlive', 'keepAlive'],
  ['POST', 'calls/{id}/updateRecordingStatus', 'recordingStatus'],
  ['POST', 'calls/{id}/recordResponse', 'persistMedia'],
  ['POST', 'calls/{id}/playPrompt', 'pass'],
  ['POST', 'calls/{id}/cancelMediaProcessing', 'pass'],
  ['POST', 'calls/{id}/subscribeToTone', 'pass'],
  ['POST', 'calls/{id}/sendDtmfTones', 'pass'],
  ['POST', 'calls/{id}/mute', 'pass'],
  ['POST', 'calls/{id}/unmute', 'pass'],
  ['POST', 'calls/{id}/changeScreenSharingRole', 'pass'],
  ['POST', 'calls/{id}/addLargeGalleryView', 'pass'],
  ['GET', 'calls/{id}/operations/{id}', 'readOperation'],
  ['GET', 'calls/{id}/participants', 'pass'],
  ['POST', 'calls/{id}/participants/invite', 'pass'],
  ['GET', 'calls/{id}/participants/{id}', 'pass'],
  ['DELETE', 'calls/{id}/participants/{id}', 'pass'],
  ['POST', 'calls/{id}/participants/{id}/mute', 'pass'],
  ['POST', 'calls/{id}/participants/{id}/startHoldMusic', 'pass'],
  ['POST', 'calls/{id}/participants/{id}/stopHoldMusic', 'pass'],
  ['GET', 'calls/{id}/audioRoutingGroups', 'pass'],
  ['POST', 'calls/{id}/audioRoutingGroups', 'pass'],
  ['GET', 'calls/{id}/audioRoutingGroups/{id}', 'pass'],
  ['PATCH', 'calls/{id}/audioRoutingGroups/{id}', 'pass'],
  ['DELETE', 'calls/{id}/audioRoutingGroups/{id}', 'pass'],
  ['GET', 'calls/{id}/contentSharingSessions', 'pass'],
  ['GET', 'calls/{id}/contentSharingSessions/{id}', 'pass'],
  ['GET', 'callRecords', 'pass'],
  ['GET', 'callRecords/{id}', 'pass'],
  ['GET', 'callRecords/{id}/sessions', 'pass'],
  ['GET', 'callRecords/{id}/participants_v2', 'pass'],
  ['GET', 'callRecords/{id}/organizer_v2', 'pass'],
];

describe('every documented request does to the gate what it must', () => {
  test.each(documented)('%s %s: %s', (method, path, effect) => {
    const decision = identify(method, `/v1.0/communications/${path.replaceAll('{id}', guid)}`);
    expect(decision).toMatchObject({ ok: true, value: { row: { effect } } });
  });
});

describe('what could point a call or its recording elsewhere is refused', () => {
  test.each([
    ['PATCH', 'calls/{id}'],
    ['GET', 'calls'],
    ['POST', 'calls/{id}/operations'],
    ['DELETE', 'calls/{id}/operations/{id}'],
    ['POST', 'calls/{id}/participants'],
    ['PATCH', 'calls/{id}/participants/{id}'],
  ])('%s %s', (method, path) => {
    const decision = identify(method, `/v1.0/communications/${path.replaceAll('{id}', guid)}`);
    expect(decision).toRefuse('ActionRefused');
  });
});
