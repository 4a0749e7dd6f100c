import {
  badRequest,
  collection,
  entity,
  notFound,
  route,
  type GraphRequest,
  type Outcome,
  type Route,
} from './route.ts';
import type { FakeGraphState } from './state.ts';

type Kept = FakeGraphState['records'][number];

const recordsPath = 'communications/callRecords';
const roles = ['CallRecords.Read.All'];
const pstnRoles = [...roles, 'CallRecord-PstnCalls.Read.All'];
const maxWindow = 90 * 24 * 60 * 60 * 1000;

const onRecord = (path: string, handle: (kept: Kept, request: GraphRequest) => Outcome): Route =>
  route(
    `callRecord${path.replaceAll(/[/{}]/g, '.')}`,
    'GET',
    `${recordsPath}/{record}${path}`,
    (request) => {
      const kept = request.state.records.find(({ record }) => record.id === request.params.record);
      return kept === undefined ? notFound : handle(kept, request);
    },
    roles,
  );

/** `$expand=sessions($expand=segments)` and `$expand=participants_v2`, together or alone. */
function expanded({ record, participants, session, segment }: Kept, query: URLSearchParams): object {
  const expand = query.get('$expand') ?? '';
  const segments = /\bsegments\b/.test(expand) ? { segments: [segment] } : {};
  return {
    ...record,
    ...(/\bsessions\b/.test(expand) ? { sessions: [{ ...session, ...segments }] } : {}),
    ...(/\bparticipants_v2\b/.test(expand) ? { participants_v2: participants } : {}),
  };
}

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

function listRecords({ state, query }: GraphRequest): Outcome {
  const clauses = [...(query.get('$filter') ?? '').matchAll(/startDateTime (lt|le|gt|ge) (\S+)/g)];
  const kept = state.records.filter(({ record }) =>
    clauses.every(
      ([, operator = '', date = '']) =>
        comparisons[operator]?.(Date.parse(record.startDateTime), Date.parse(date)) === true,
    ),
  );
  return collection(kept.map(({ record }) => record));
}

/** Both functions select by the start of the row; only the one for PSTN calls includes the end of the window. */
function rowsBetween(
  rows: readonly { readonly startDateTime: string }[],
  { params }: GraphRequest,
  endIncluded: boolean,
): Outcome {
  const from = Date.parse(params.fromDateTime ?? '');
  const to = Date.parse(params.toDateTime ?? '');
  if (!(from <= to) || to - from > maxWindow)
    return badRequest('The window is not a range of at most 90 days.');
  return collection(
    rows.filter(({ startDateTime }) => {
      const start = Date.parse(startDateTime);
      return start >= from && (start < to || (endIncluded && start === to));
    }),
  );
}

export const recordRoutes: readonly Route[] = [
  route(
    'getPstnCalls',
    'GET',
    `${recordsPath}/getPstnCalls(fromDateTime,toDateTime)`,
    (request) => rowsBetween(request.state.pstnCalls, request, true),
    pstnRoles,
  ),
  route(
    'getDirectRoutingCalls',
    'GET',
    `${recordsPath}/getDirectRoutingCalls(fromDateTime,toDateTime)`,
    (request) => rowsBetween(request.state.directRoutingCalls, request, false),
    pstnRoles,
  ),
  route('listCallRecords', 'GET', recordsPath, listRecords, roles),
  onRecord('', (kept, { query }) => entity(expanded(kept, query))),
  onRecord('/sessions', ({ session }) => collection([session])),
  onRecord('/sessions/{session}', ({ session }, { params }) =>
    entity(session.id === params.session ? session : undefined),
  ),
  onRecord('/sessions/{session}/segments', ({ session, segment }, { params }) =>
    session.id === params.session ? collection([segment]) : notFound,
  ),
  onRecord('/participants_v2', ({ participants }) => collection(participants)),
  onRecord('/organizer_v2', ({ record }) => entity(record.organizer_v2)),
];
