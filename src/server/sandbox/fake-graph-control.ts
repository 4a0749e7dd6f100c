import { z } from 'zod';
import type { LogEntry } from './fake-graph-log.ts';
import { ruleSchema, type Script, type ScriptRule } from './fake-graph-script.ts';
import type { BannerChange, RecordingState } from './fake-graph-state.ts';
import { reply, type Reply } from './loopback.ts';

const incomingCallSchema = z.strictObject({
  /** Default: the sandbox's. */
  tenant: z.guid().toLowerCase().optional(),
  app: z.guid().toLowerCase().optional(),
  /** An invitation by a recording policy; otherwise Graph refuses status updates with error 8506. */
  policyBased: z.boolean().default(true),
  /** Established already. */
  answered: z.boolean().default(false),
});

export type IncomingCall = z.input<typeof incomingCallSchema>;
export const parseIncomingCall = (call: IncomingCall): z.output<typeof incomingCallSchema> =>
  incomingCallSchema.parse(call);

export interface FakeGraph {
  readonly url: string;
  /** Every request received, in order. */
  readonly log: readonly LogEntry[];
  /** Every change of what participants see, in order. */
  readonly banner: readonly BannerChange[];
  /** A call that waits for an answer; returns its id. */
  incomingCall(call?: IncomingCall): string;
  /** What participants see now; undefined: there is no such call. */
  recordingState(callId: string): RecordingState | undefined;
  /** The call is over; later requests find nothing. */
  endCall(callId: string): void;
  /** Says how the next requests of an action are answered, and whether they act. */
  script(rule: ScriptRule): Script;
  /** Lets everything that waits for a script happen now. */
  release(): void;
  close(): Promise<void>;
}

interface ControlRequest {
  readonly method: string;
  /** Below `/sandbox`. */
  readonly segments: readonly string[];
  readonly body: unknown;
}

/** The control surface over HTTP; the table is at `startFakeGraph`. */
export function control(
  graph: FakeGraph,
  findScript: (id: string) => Script | undefined,
  { method, segments, body }: ControlRequest,
): Reply {
  const [, id = ''] = segments;
  const shape = [method, segments[0], ...(segments.length > 1 ? ['{id}'] : []), ...segments.slice(2)].join(
    ' ',
  );
  const found = (value: unknown, then: () => void = () => undefined): Reply => {
    if (value === undefined) return reply(404, { error: 'not found' });
    then();
    return reply(200, value);
  };
  switch (shape) {
    case 'POST calls': {
      const call = incomingCallSchema.safeParse(body ?? {});
      if (!call.success) return reply(400, { error: z.prettifyError(call.error) });
      return reply(201, { callId: graph.incomingCall(call.data) });
    }
    case 'GET calls {id}':
      return found(describeCallOf(graph, id));
    case 'DELETE calls {id}':
      return found(describeCallOf(graph, id), () => graph.endCall(id));
    case 'GET log':
      return reply(200, graph.log);
    case 'GET banner':
      return reply(200, graph.banner);
    case 'POST script': {
      const rule = ruleSchema.safeParse(body);
      if (!rule.success) return reply(400, { error: z.prettifyError(rule.error) });
      return reply(201, { id: graph.script(rule.data).id });
    }
    case 'POST script {id} release': {
      const script = findScript(id);
      return found(script && { id, used: script.used }, () => script?.release());
    }
    case 'POST release':
      return found({}, () => graph.release());
    default:
      return found(undefined);
  }
}

function describeCallOf(graph: FakeGraph, callId: string): object | undefined {
  const recordingState = graph.recordingState(callId);
  return recordingState === undefined ? undefined : { callId, recordingState };
}
