import { readdirSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { EvidenceRecord } from '../../../src/core/call/evidence.ts';
import { Acknowledged } from '../../../src/evidence/journal/acknowledged.ts';
import { emptyHead, encodeLine } from '../../../src/evidence/journal/journal.ts';
import { eventually } from '../../support/eventually.ts';
import { compileEvidence } from '../../support/evidence/build.ts';
import type { ChildOptions } from '../../support/evidence/child.ts';
import { interleaved } from '../../support/evidence/history.ts';
import { FileOutbox } from '../../support/evidence/outbox.ts';
import {
  expectCutsToBeTold,
  expectEachOnce,
  readFiles,
  restart,
  startChild,
  temporaryDirectory,
} from '../../support/evidence/process.ts';

/** Three batches of the child; the last two go to the file of the next day. */
const records = interleaved(2, 1);
const nextDayAfter = 5;

let root: string;
let compiled: string;
let places = 0;

beforeAll(async () => {
  root = await temporaryDirectory('tallylight-crash-');
  compiled = compileEvidence(join(root, 'compiled'));
});
afterAll(() => rm(root, { recursive: true }));

interface Place {
  readonly records: readonly EvidenceRecord[];
  readonly startsTorn: boolean;
  readonly directory: string;
  readonly outbox: FileOutbox;
  readonly options: ChildOptions;
}

const placeAt = (path: string, pending: readonly EvidenceRecord[], startsTorn = false): Place => {
  const directory = join(path, 'disk', 'evidence');
  const outbox = join(path, 'outbox');
  return {
    records: pending,
    startsTorn,
    directory,
    outbox: new FileOutbox(outbox),
    options: { directory, outbox, nextDayAfter },
  };
};

/** All is in the outbox, and there is no directory yet. */
async function freshPlace(pending: readonly EvidenceRecord[] = records): Promise<Place> {
  const path = join(root, String((places += 1)));
  FileOutbox.create(join(path, 'outbox'), pending);
  await mkdir(join(path, 'disk'));
  return placeAt(path, pending);
}

/** A crash tore the second line of the first batch. */
async function tornPlace(): Promise<Place> {
  const place = await freshPlace(records.slice(0, 5));
  await mkdir(place.directory);
  await writeFile(join(place.directory, 'sink-id'), `${randomUUID()}\n`);
  const first = encodeLine(emptyHead, { record: records[0]! });
  const second = encodeLine(first.head, { record: records[1]! });
  const torn = first.text + second.text.slice(0, 300);
  await writeFile(join(place.directory, 'evidence-2026-01-31.jsonl'), torn);
  return { ...place, startsTorn: true };
}

/** After whatever happened: all is drained, once and in order, and what was cut is told. Returns the bytes cut. */
async function expectRecovery({ directory, outbox, records: expected, startsTorn }: Place): Promise<number> {
  const before = await readFiles(directory);
  await restart(directory, outbox);
  expect(outbox.entries).toEqual([]);
  const cut = await expectCutsToBeTold(directory, before);
  const { repairs } = await expectEachOnce(directory, expected);
  // Whoever repaired it, and however often that broke.
  if (startsTorn) expect(repairs).toBeGreaterThan(0);
  return cut;
}

/** What left the outbox is noted, so that it would be missed. */
async function expectAcknowledgedIfRemoved({ directory, outbox, records: expected }: Place): Promise<void> {
  const removed = expected.length - outbox.entries.length;
  if (removed === 0) return;
  const acknowledged = await Acknowledged.open(directory);
  await acknowledged.close();
  expect(acknowledged.head?.seq).toBeGreaterThanOrEqual(removed);
}

/**
 * Kills the process at each step from the first on, two at a time, until one lives to the end; what can be done in part
 * also when it is half done and when all but its last byte is. Returns the names of the steps it died at.
 */
async function killAtEach(makePlace: () => Promise<Place>): Promise<readonly string[]> {
  const names: string[] = [];
  let next = 1;
  let over = false;
  const killAt = async (at: number, part?: number): Promise<string | undefined> => {
    const place = await makePlace();
    const child = startChild(compiled, {
      ...place.options,
      die: { at, ...(part === undefined ? {} : { part }) },
    });
    const ending = await child.ended;
    await expectRecovery(place);
    return ending === 'killed' ? child.steps.at(-1) : undefined;
  };
  const killer = async (): Promise<void> => {
    while (!over) {
      const at = next++;
      const name = await killAt(at);
      if (name === undefined) over = true;
      else names[at - 1] = name;
      if (name !== undefined && /^(write|remove)/.test(name)) {
        await killAt(at, 0.5);
        await killAt(at, 0.999);
      }
    }
  };
  await Promise.all([killer(), killer()]);
  return names;
}

describe('SIGKILL at each step of a writer', () => {
  test('of a first run with a change of day neither loses nor repeats nor reorders a record', async () => {
    const names = await killAtEach(() => freshPlace());
    expect(names.map((name) => name.replace(/sink-id\.\S+/, 'sink-id.new'))).toEqual(
      expect.arrayContaining([
        'mkdir evidence',
        'link sink-id.new',
        'open acknowledged',
        'writeFile evidence-2026-01-31.jsonl',
        'datasync evidence-2026-02-01.jsonl',
        'datasync acknowledged',
        'claimSink',
        'lease',
        'pending',
        'remove',
        'release',
      ]),
    );
  });

  test('of a repair leaves something to repair, or the line that tells of it', async () => {
    const names = await killAtEach(tornPlace);
    expect(names).toEqual(
      expect.arrayContaining(['write evidence-2026-01-31.jsonl', 'truncate evidence-2026-01-31.jsonl']),
    );
  });

  test('again and again, at moments nobody chose, neither loses nor repeats nor reorders a record', async () => {
    const many = interleaved(10, 3);
    const place = await freshPlace(many);
    let seed = 20260131;
    for (let kill = 0; kill < 10; kill++) {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      const child = startChild(compiled, place.options);
      const steps = 1 + ((seed >> 8) % 60);
      await eventually(() => child.steps.length >= steps);
      child.kill();
      expect(await child.ended).toBe('killed');
      place.outbox.lapse();
    }
    await restart(place.directory, place.outbox);
    await expectEachOnce(place.directory, many);
  });
});

/** A process was killed before it synced the first two lines, and before it synced their new file. */
async function unsyncedPlace(): Promise<Place> {
  const place = await freshPlace(records.slice(0, 5));
  await mkdir(place.directory);
  const first = encodeLine(emptyHead, { record: records[0]! });
  const second = encodeLine(first.head, { record: records[1]! });
  await writeFile(join(place.directory, 'evidence-2026-01-31.jsonl'), first.text + second.text);
  return place;
}

describe('a loss of power before each step of a writer, whatever the disk kept of what was not synced', () => {
  test.each([
    ['of a first run with a change of day', () => freshPlace(), 'synced'],
    ['of a repair', tornPlace, 'synced'],
    ['of a run after a kill', unsyncedPlace, 'unsynced'],
  ] as const)(
    '%s neither loses nor repeats nor reorders a record',
    async (_, makePlace, journals) => {
      const place = await makePlace();
      const images = join(place.directory, '../../images');
      const child = startChild(compiled, { ...place.options, images: { into: images, journals } });
      expect(await child.ended).toBe('done');
      let torn = 0;
      for (const image of readdirSync(images)) {
        const left = placeAt(join(images, image), place.records, place.startsTorn);
        await expectAcknowledgedIfRemoved(left);
        torn += Number((await expectRecovery(left)) > 0);
      }
      expect(readdirSync(images).length).toBeGreaterThan(10);
      expect(torn).toBeGreaterThan(0);
    },
    60_000,
  );
});
