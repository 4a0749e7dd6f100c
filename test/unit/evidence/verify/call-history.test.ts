import { describe, expect, test } from '@jest/globals';
import { toGuid } from '../../../../src/core/call/key.ts';
import { noFacts } from '../../../../src/core/call/state.ts';
import type { EvidenceRecord } from '../../../../src/core/call/evidence.ts';
import type { JsonObject } from '../../../../src/core/json.ts';
import { readNotices } from '../../../../src/core/notices/read.ts';
import type { CallSummary } from '../../../../src/evidence/verify/call.ts';
import { Conversations, type Conversation } from '../../../../src/evidence/verify/links.ts';
import { conversationText } from '../../../../src/evidence/verify/text-report.ts';
import { body, call as invitedCall, callId, tenant } from '../../../fixtures/notifications/read.ts';
import { callKey, who } from '../../../support/evidence/history.ts';
import { CallStory, merged, timeAt, user } from '../../../support/evidence/call-histories.ts';
import { inWorld } from '../../../support/gate.ts';

const chain = 'b2a4c9d6-7a0e-4d57-9a43-1f6f0c2d5e11';
const otherChain = 'c3b5d0e7-8b1f-4e68-8b54-2a7a1d3e6f22';
const thread = '19:meeting_Q2FuYXJ5@thread.v2';
const id = (n: number): string => toGuid(callKey(n));
const otherBot = { ...who, app: '33333333-3333-3333-3333-333333333333' };
const otherTenant = { ...who, tenant: '44444444-4444-4444-4444-444444444444' };

function read(records: readonly EvidenceRecord[]): Conversation[] {
  const conversations = new Conversations();
  for (const record of records) conversations.take(record);
  return conversations.list();
}
const readStories = (...stories: readonly CallStory[]): Conversation[] => read(merged(...stories));
const callOf = (story: CallStory): CallSummary => readStories(story)[0]!.calls[0]!;

/** The calls of each conversation, by the number they were made with. */
const grouped = (...stories: readonly CallStory[]): number[][] =>
  readStories(...stories).map(({ calls }) => calls.map(({ call }) => parseInt(call.replaceAll('-', ''), 16)));

interface Times {
  readonly from: number;
  readonly to: number;
  readonly by?: typeof who;
}
/** A call that appears and ends, minutes after the start. */
const lived = (n: number, call: JsonObject, { from, to, by = who }: Times): CallStory =>
  new CallStory(n, { at: from, by }).invited(call).at(to).ended();

describe('calls of one call chain', () => {
  test.each([
    ['of two applications', otherBot],
    ['of one application', who],
  ])('that were paired, %s, are one conversation with a life and a gate each', (_, second) => {
    const one = new CallStory(1).invited({ callChainId: chain }).confirmed().at(9).stopped().at(10).ended();
    const two = new CallStory(2, { at: 1, by: second }).invited({ callChainId: chain }).refused('8506');
    const [conversation, ...others] = readStories(one, two);
    expect(others).toEqual([]);
    expect(conversation).toMatchObject({
      tenant: who.tenant,
      firstRecord: timeAt(0),
      lastRecord: timeAt(10),
      links: [{ by: 'callChainId', id: chain, calls: [id(1), id(2)], orFrom: [] }],
    });
    expect(conversation!.calls).toMatchObject([
      { call: id(1), app: who.app, recorded: [{ opened: timeAt(0), closed: timeAt(9) }], flags: [] },
      { call: id(2), app: second.app, recorded: [], failedStarts: { 8506: 1 } },
    ]);
  });

  test('stay together however far apart they are', () => {
    const one = lived(1, { callChainId: chain }, { from: 0, to: 1 });
    const two = lived(2, { callChainId: chain }, { from: 600, to: 601 });
    expect(grouped(one, two)).toEqual([[1, 2]]);
  });

  test('are not linked over tenants, and nobody is told that the other is there', () => {
    const call = { callChainId: chain, threadId: thread, policyHolder: user(1), transferor: user(1) };
    const one = lived(1, call, { from: 0, to: 10 });
    const two = lived(2, call, { from: 1, to: 10, by: otherTenant });
    expect(readStories(one, two)).toMatchObject([
      { tenant: who.tenant, links: [], calls: [{ call: id(1) }] },
      { tenant: otherTenant.tenant, links: [], calls: [{ call: id(2) }] },
    ]);
  });

  test('are not linked by an id that names nothing', () => {
    const nothing = '00000000-0000-0000-0000-000000000000';
    const call = { callChainId: nothing, threadId: '', transferor: nothing, policyHolder: nothing };
    expect(grouped(lived(1, call, { from: 0, to: 10 }), lived(2, call, { from: 1, to: 10 }))).toEqual([
      [1],
      [2],
    ]);
  });

  test('calls with nothing in common are conversations of their own, in the order of their beginning', () => {
    const one = lived(7, { callChainId: chain, policyHolder: user(1) }, { from: 3, to: 10 });
    const two = lived(9, { callChainId: otherChain, policyHolder: user(2) }, { from: 1, to: 20 });
    const untold = new CallStory(8, { at: 2 }).confirmed();
    expect(grouped(one, two, untold)).toEqual([[9], [8], [7]]);
  });
});

describe('calls of one meeting thread', () => {
  test.each([
    ['overlap', 30, true],
    ['follow within fifteen minutes', 75, true],
    ['follow later', 75.001, false],
  ])('that %s', (_, from, linked) => {
    const one = lived(1, { threadId: thread }, { from: 0, to: 60 });
    const two = lived(2, { threadId: thread }, { from, to: 90 });
    expect(grouped(one, two)).toEqual(linked ? [[1, 2]] : [[1], [2]]);
  });

  test('of a recurring meeting are one conversation for each occurrence', () => {
    const week = 7 * 24 * 60;
    const weeks = [0, 1, 2].flatMap((n) => [
      lived(2 * n + 1, { threadId: thread }, { from: n * week, to: n * week + 60 }),
      lived(2 * n + 2, { threadId: thread }, { from: n * week + 5, to: n * week + 50 }),
    ]);
    expect(grouped(...weeks)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(readStories(...weeks).map(({ links }) => links)).toMatchObject([
      [{ by: 'threadId', id: thread, calls: [id(1), id(2)] }],
      [{ by: 'threadId', id: thread, calls: [id(3), id(4)] }],
      [{ by: 'threadId', id: thread, calls: [id(5), id(6)] }],
    ]);
  });

  test('a short call in the middle does not cut a long one short', () => {
    const long = lived(1, { threadId: thread }, { from: 0, to: 120 });
    const short = lived(2, { threadId: thread }, { from: 1, to: 2 });
    const late = lived(3, { threadId: thread }, { from: 130, to: 140 });
    expect(grouped(long, short, late)).toEqual([[1, 2, 3]]);
  });

  test('a call that still records lives on after its last record, but not until the next day', () => {
    const open = new CallStory(1).invited({ threadId: thread }).confirmed();
    expect(grouped(open, lived(2, { threadId: thread }, { from: 180, to: 181 }))).toEqual([[1, 2]]);
    expect(grouped(open, lived(2, { threadId: thread }, { from: 1440, to: 1441 }))).toEqual([[1], [2]]);
  });
});

describe('a transferred call', () => {
  const customer = user(1);
  const reception = user(2);
  const trader = user(3);
  const before = { callChainId: chain, policyHolder: customer, otherSideUser: reception };
  const after = {
    callChainId: otherChain,
    policyHolder: customer,
    otherSideUser: trader,
    transferor: reception,
  };

  test.each(['source', 'policyHolder', 'otherSideUser', 'onBehalfOf'])(
    'is linked to the call whose %s transferred it',
    (role) => {
      const one = lived(1, { callChainId: chain, [role]: reception }, { from: 0, to: 10 });
      const two = lived(2, after, { from: 9, to: 20 });
      expect(readStories(one, two)).toMatchObject([
        { links: [{ by: 'transferor', id: reception, calls: [id(1), id(2)], orFrom: [] }] },
      ]);
    },
  );

  test.each([
    ['while the call before lives', 5, true],
    ['five minutes after its end', 15, true],
    ['later', 15.001, false],
  ])('appears %s', (_, from, linked) => {
    const stories = [lived(1, before, { from: 0, to: 10 }), lived(2, after, { from, to: 30 })];
    expect(grouped(...stories)).toEqual(linked ? [[1, 2]] : [[1], [2]]);
  });

  test('has no origin in a call that appeared after it, or without the one who transferred', () => {
    const late = lived(1, before, { from: 10, to: 20 });
    const stranger = lived(3, { ...before, otherSideUser: trader }, { from: 0, to: 20 });
    expect(grouped(lived(2, after, { from: 9, to: 20 }), late)).toEqual([[2], [1]]);
    expect(grouped(stranger, lived(2, after, { from: 9, to: 20 }))).toEqual([[3], [2]]);
  });

  test('may be transferred again, and paired calls come along', () => {
    const third = 'd4c6e1f8-9c20-4f79-9c65-3b8b2e4f7033';
    const again = { callChainId: third, policyHolder: trader, source: customer, transferor: trader };
    const stories = [
      lived(1, before, { from: 0, to: 10 }),
      lived(2, before, { from: 0, to: 10, by: otherBot }),
      lived(3, after, { from: 10, to: 20 }),
      lived(4, after, { from: 10, to: 20, by: otherBot }),
      lived(5, again, { from: 21, to: 30 }),
    ];
    expect(grouped(...stories)).toEqual([[1, 2, 3, 4, 5]]);
    const { links } = readStories(...stories)[0]!;
    expect(links.map(({ by }) => by)).toEqual([
      'callChainId',
      'callChainId',
      'transferor',
      'transferor',
      'transferor',
    ]);
    expect(links.flatMap(({ orFrom }) => orFrom)).toEqual([]);
  });

  test('comes from the call of a busy user that has its people, and the other is only named', () => {
    const other = { callChainId: otherChain.replace('c', 'd'), policyHolder: user(9), source: reception };
    const stories = [
      lived(1, before, { from: 0, to: 10 }),
      lived(2, other, { from: 5, to: 30 }),
      lived(3, { ...after, source: reception }, { from: 11, to: 30 }),
    ];
    expect(grouped(...stories)).toEqual([[1, 3], [2]]);
    expect(readStories(...stories)[0]!.links).toMatchObject([{ calls: [id(1), id(3)], orFrom: [id(2)] }]);
  });

  test('of a queue that has many calls at a time names only the last of the others', () => {
    const calls = Array.from({ length: 20 }, (_, n) =>
      lived(n + 1, { source: reception }, { from: n, to: 60 }),
    );
    const [first] = readStories(...calls, lived(99, { transferor: reception }, { from: 30, to: 40 })).slice(
      -1,
    );
    const orFrom = [12, 13, 14, 15, 16, 17, 18, 19].map(id);
    expect(first!.links).toMatchObject([{ calls: [id(20), id(99)], orFrom }]);
  });

  test('does not come from the one it was paired with, whoever that names as its originator', () => {
    const call = { ...after, source: reception };
    const [conversation] = readStories(
      lived(1, call, { from: 0, to: 10 }),
      lived(2, call, { from: 1, to: 10, by: otherBot }),
    );
    expect(conversation!.links.map(({ by }) => by)).toEqual(['callChainId']);
  });

  test('comes rather from a call that lives, then from the latest, if nobody else tells', () => {
    const call = (n: number, from: number, to: number): CallStory =>
      lived(n, { source: reception }, { from, to });
    const transferred = lived(9, { transferor: reception }, { from: 11, to: 30 });
    expect(grouped(call(1, 0, 30), call(2, 1, 10), transferred)).toEqual([[1, 9], [2]]);
    expect(grouped(call(1, 0, 40), call(2, 1, 30), transferred)).toEqual([[1], [2, 9]]);
    expect(grouped(call(1, 0, 9), call(2, 1, 8), transferred)).toEqual([[1, 9], [2]]);
  });
});

describe('a call', () => {
  test('tells what its records tell', () => {
    const story = new CallStory(1)
      .invited({ policyIdentifier: 'Händler', policyHolder: user(1), callChainId: chain })
      .happens({ type: 'writesRefused' }, { refused: { RecordingNotActive: 2, ClientGone: 1 } }, null)
      .refused('500/1999')
      .at(1)
      .confirmed()
      .told('established')
      .told('established')
      .at(2)
      .stopped()
      .at(3)
      .confirmed()
      .at(4)
      .happens({ type: 'contradicted', notified: noFacts }, { kind: 'neverShown', showing: [] })
      .happens({ type: 'callbackBypassed' }, { outcome: 'bypasses', host: 'bot.example' })
      .at(5)
      .ended()
      .happens({ type: 'writesRefused' }, { refused: { CallEnded: 3, RecordingNotActive: 1 } }, null);
    const writes = { admitted: 4, aborted: 1, unanswered: 0, bytes: 4096 };
    expect(callOf(story)).toMatchObject({
      call: id(1),
      ...who,
      policyIdentifier: 'Händler',
      policyHolder: user(1),
      firstRecord: timeAt(0),
      lastRecord: timeAt(5),
      states: ['incoming', 'established', 'terminated'],
      recorded: [
        { opened: timeAt(1), closed: timeAt(2), writes },
        { opened: timeAt(3), closed: timeAt(5), writes },
      ],
      failedStarts: { '500/1999': 1 },
      refusedWrites: { RecordingNotActive: 3, ClientGone: 1, CallEnded: 3 },
      contradictions: [{ kind: 'neverShown', first: timeAt(4), count: 1 }],
      ended: { at: timeAt(5), cause: 'terminated' },
      result: { code: 200, subcode: 5000 },
      flags: ['callbackBypassed'],
    });
  });

  test.each<[string, CallStory, readonly string[]]>([
    [
      'nothing but a claim',
      new CallStory(1).asked(),
      ['unbound', 'nothingTold', 'neverConfirmed', 'notEnded'],
    ],
    [
      'a call without a policy',
      new CallStory(1).invited({ callChainId: chain }).refused('8506').ended(),
      ['neverConfirmed', 'notPolicyCall'],
    ],
    [
      'a call of another tenant than the token',
      new CallStory(1).invited({ callChainId: chain }).refused('403/7505').ended(),
      ['neverConfirmed', 'tenantMismatch'],
    ],
    [
      'a recording that Graph took back',
      new CallStory(1).invited({ callChainId: chain }).confirmed().drained('notPolicyCall'),
      ['notPolicyCall', 'stopUnconfirmed', 'notEnded'],
    ],
    [
      'a recording without an end',
      new CallStory(1).invited({ callChainId: chain }).confirmed(),
      ['stillOpen', 'notEnded'],
    ],
    [
      'a stop that nobody answered',
      new CallStory(1).invited({ callChainId: chain }).confirmed().drained('notRecording'),
      ['stopUnconfirmed', 'notEnded'],
    ],
  ])('says of %s what is missing', (_, story, flags) => {
    expect(callOf(story).flags).toEqual(flags);
  });

  test('of which the beginning is not at hand is not said to be unrecorded', () => {
    const { records } = new CallStory(1).invited({ callChainId: chain }).confirmed().at(5).stopped().ended();
    const opensAt = records.findIndex(({ event }) => event === 'startConfirmed');
    const ended = [{ opened: timeAt(0), closed: timeAt(5) }];
    const unknown = [{ opened: null, closed: null, writes: null }];
    const flags = ['beginningMissing', 'nothingTold'];
    const legFrom = (first: number, last?: number): CallSummary =>
      read(records.slice(first, last))[0]!.calls[0]!;
    // Before the stop, in the middle of it, and with nothing of it but that it was asked for.
    expect(legFrom(opensAt + 1)).toMatchObject({ recorded: ended, flags });
    expect(legFrom(opensAt + 2)).toMatchObject({ recorded: ended, flags });
    expect(legFrom(opensAt + 1, opensAt + 2)).toMatchObject({
      recorded: unknown,
      flags: [...flags, 'stillOpen', 'notEnded'],
    });
  });

  test('belongs to whom it was bound to, whoever else is in its records', () => {
    const story = new CallStory(1)
      .happens({ type: 'startRequested', hold: { token: 'other', forMs: 0 } }, {}, otherBot)
      .invited({ callChainId: chain })
      .happens({ type: 'notified', notified: noFacts }, { state: 'established' }, otherBot);
    expect(callOf(story)).toMatchObject({ ...who, flags: ['neverConfirmed', 'notEnded'] });
  });

  test('whose history began anew keeps what came before, and the recording that has no end', () => {
    const before = new CallStory(1).invited({ callChainId: chain }).confirmed();
    const after = new CallStory(1, { at: 5 }).confirmed().at(6).stopped().ended('hangUp');
    expect(read([...before.records, ...after.records])[0]!.calls).toMatchObject([
      {
        callChainId: chain,
        recorded: [
          { opened: timeAt(0), closed: null },
          { opened: timeAt(5), closed: timeAt(6) },
        ],
        ended: { cause: 'hangUp' },
        flags: ['begunAnew', 'stillOpen'],
      },
    ]);
  });

  test('is kept in bounded memory, however often it changes', () => {
    const story = new CallStory(1).invited({ callChainId: chain });
    for (let n = 0; n < 300; n++)
      story
        .at(n)
        .confirmed()
        .happens({ type: 'writesRefused' }, { refused: { [`Reason${n}`]: 1 } })
        .stopped()
        .at(n + 0.5);
    const call = callOf(story.at(301).confirmed());
    expect([call.recorded.length, call.moreRecorded, call.flags]).toEqual([
      257,
      44,
      ['stillOpen', 'notEnded'],
    ]);
    expect(Object.keys(call.refusedWrites)).toHaveLength(33);
    expect(call.refusedWrites.other).toBe(268);
  });

  test('repeats nothing that a terminal would act upon', () => {
    const nasty = '\u001b[2Jgone\u202e';
    const story = new CallStory(1, { by: { tenant: nasty, app: nasty } })
      .invited({ policyIdentifier: nasty, threadId: nasty, policyHolder: nasty, pairedRecorders: [nasty] })
      .refused(nasty)
      .happens({ type: 'writesRefused' }, { refused: { [nasty]: 1 } })
      .ended(nasty, { code: nasty, subcode: nasty });
    const text = conversationText(readStories(story)[0]!, 1);
    expect(text).toContain('application       unknown');
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
  });
});

test('what the gate itself writes is told, from the invitation to the end', async () => {
  await inWorld({}, async (world) => {
    const by = { tenant, app: who.app };
    const { gate } = world.instances[0]!;
    const at = { by, call: invitedCall };
    const tell = async (name: 'policy-invitation' | 'terminated'): Promise<void> => {
      gate.receiveNotices(by, readNotices(body(name), tenant).notices);
      await world.clock.advance(2000);
    };
    await tell('policy-invitation');
    await world.run(world.write(0, by, invitedCall));
    await world.run(world.start(0, at));
    const written = await world.run(world.write(0, by, invitedCall));
    if (written.ok) written.value.end();
    await tell('terminated');
    const [conversation, ...others] = read(await world.records());
    expect(others).toEqual([]);
    expect(conversation).toMatchObject({ tenant, links: [] });
    expect(conversation!.calls).toMatchObject([
      {
        call: callId,
        ...by,
        callChainId: chain,
        policyIdentifier: 'TeamsComplianceRecordingPolicy=Tenant:Händler, Frankfurt',
        pairedRecorders: ['e81b5d2f-0a7c-4936-8f4e-b3c6d9a01219'],
        states: ['incoming', 'terminating', 'terminated'],
        recorded: [{ writes: { admitted: 1, aborted: 0, unanswered: 0, bytes: 0 } }],
        refusedWrites: { RecordingNotActive: 1 },
        ended: { cause: 'terminated' },
        result: { code: 200, subcode: 5001 },
        flags: [],
      },
    ]);
  });
});
