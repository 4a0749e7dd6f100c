import { z } from 'zod';
import { isFault } from '../../core/errors.ts';
import { incomingCallSchema, type IncomingCall } from './invitation.ts';
import type { LogEntry } from './log.ts';
import {
  notificationModes,
  type NotifyOptions,
  type Delivery,
  type NotificationControl,
} from './notifications.ts';
import { ruleSchema, type Script, type ScriptRule } from './script.ts';
import type { BannerChange, EndResult, RecordingState } from './state.ts';
import { reply, type Reply } from '../loopback.ts';

export type { IncomingCall };

/** Defaults are made up. */
interface Person {
  /** Object id. */
  readonly user?: string | undefined;
  readonly displayName?: string | undefined;
}

export interface FakeGraph {
  readonly url: string;
  /** Every request received, in order. */
  readonly log: readonly LogEntry[];
  /** Every change of what participants see, in order. */
  readonly banner: readonly BannerChange[];
  /** Every notification sent or dropped, in order. */
  readonly deliveries: readonly Delivery[];
  /** Holds notifications back, drops, repeats and reorders them. */
  readonly notifications: NotificationControl;
  /**
   * From now on the bot is notified: at `webhook`, the calling webhook of its registration, or where a call's own
   * `callbackUri` says. `ca`: a PEM certificate that is trusted there too.
   */
  connect(options: { readonly webhook: string; readonly ca?: string | undefined }): void;
  /** Sends a batch, or any text, now; null: it is of no call. The call may be over. */
  notify(
    callId: string | null,
    body: readonly unknown[] | string,
    options?: NotifyOptions,
  ): Promise<Delivery>;
  /** A call that waits for an answer; returns its id. */
  incomingCall(call?: IncomingCall): string;
  /** What participants see now; undefined: there is no such call. */
  recordingState(callId: string): RecordingState | undefined;
  /** Somebody joins; returns the participant's id; undefined: there is no such call. */
  addParticipant(callId: string, who?: Person): string | undefined;
  /** Somebody leaves; false: there is no such participant. */
  removeParticipant(callId: string, participantId: string): boolean;
  /** The call is over; later requests find nothing. Default: the conversation has ended. */
  endCall(callId: string, result?: EndResult): void;
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

const modeSchema = z.strictObject({ mode: z.enum(notificationModes), next: z.int().min(1).optional() });
const orderSchema = z.strictObject({ order: z.array(z.int()).optional() });
const personSchema = z.strictObject({ user: z.string().optional(), displayName: z.string().optional() });
const code = z.union([z.int(), z.string()]);
const endSchema = z
  .strictObject({ code, subcode: code.default(0), message: z.string().optional() })
  .optional();
const byHandSchema = z.strictObject({
  call: z.string().nullable().default(null),
  /** A batch, or a text that is sent as it is. */
  body: z.union([z.array(z.unknown()), z.string()]),
  /** null leaves a claim out. */
  claims: z
    .record(
      z.string(),
      z.unknown().transform((claim) => claim ?? undefined),
    )
    .optional(),
  url: z.string().optional(),
  token: z.string().nullable().optional(),
});

/** The control surface over HTTP; the table is at `startFakeGraph`. */
export async function control(
  graph: FakeGraph,
  findScript: (id: string) => Script | undefined,
  request: ControlRequest,
): Promise<Reply> {
  try {
    return await answer(graph, findScript, request);
  } catch (error) {
    if (error instanceof z.ZodError) return reply(400, { error: z.prettifyError(error) });
    if (isFault(error, 'ConfigurationInvalid')) return reply(400, { error: error.message });
    throw error;
  }
}

async function answer(
  graph: FakeGraph,
  findScript: (id: string) => Script | undefined,
  { method, segments, body }: ControlRequest,
): Promise<Reply> {
  const [root, id = '', below, part = ''] = segments;
  const shape = [method, root, ...(['calls', 'script'].includes(root ?? '') && id !== '' ? ['{id}'] : [id])]
    .concat(below ?? [], part === '' ? [] : ['{id}'])
    .filter(Boolean)
    .join(' ');
  const found = (value: unknown, then: () => void = () => undefined): Reply => {
    if (value === undefined) return reply(404, { error: 'not found' });
    then();
    return reply(200, value);
  };
  switch (shape) {
    case 'POST calls':
      return reply(201, { callId: graph.incomingCall(incomingCallSchema.parse(body ?? {})) });
    case 'GET calls {id}':
      return found(describeCallOf(graph, id));
    case 'DELETE calls {id}':
      return found(describeCallOf(graph, id), () => graph.endCall(id));
    case 'POST calls {id} terminate': {
      const result = endSchema.parse(body);
      return found(describeCallOf(graph, id), () => graph.endCall(id, result));
    }
    case 'POST calls {id} participants': {
      const participantId = graph.addParticipant(id, personSchema.parse(body ?? {}));
      return participantId === undefined ? found(undefined) : reply(201, { participantId });
    }
    case 'DELETE calls {id} participants {id}':
      return found(graph.removeParticipant(id, part) ? {} : undefined);
    case 'GET log':
      return reply(200, graph.log);
    case 'GET banner':
      return reply(200, graph.banner);
    case 'GET notifications':
      return reply(200, describeNotifications(graph));
    case 'POST notifications': {
      const { mode, next } = modeSchema.parse(body);
      graph.notifications.set(mode, next);
      return reply(200, describeNotifications(graph));
    }
    case 'POST notifications release':
      graph.notifications.release(orderSchema.parse(body ?? {}).order);
      return reply(200, describeNotifications(graph));
    case 'POST notify': {
      const { call, body: sent, claims, ...options } = byHandSchema.parse(body);
      return reply(200, await graph.notify(call, sent, { ...options, claims }));
    }
    case 'POST script':
      return reply(201, { id: graph.script(ruleSchema.parse(body)).id });
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

const describeNotifications = ({ notifications: { mode, held }, deliveries }: FakeGraph): object => ({
  mode,
  held,
  deliveries,
});
