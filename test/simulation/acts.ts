/** How many instances there are. */
export const slots = 3;

/** What somebody does to the system, or what befalls it, at a moment of true time. Slots are the places of instances. */
export type Act =
  | {
      readonly kind: 'start' | 'notRecording' | 'failed' | 'hangUp';
      readonly call: number;
      readonly slot: number;
      /** How often the bot asks again after a refusal, when the refusal says so. */
      readonly again: number;
    }
  | {
      readonly kind: 'upload';
      readonly call: number;
      readonly slot: number;
      readonly chunks: number;
      readonly everyMs: number;
    }
  | { readonly kind: 'terminate'; readonly call: number }
  /** An operator sets a hold, and has it released at another slot after so long. */
  | {
      readonly kind: 'hold';
      readonly slot: number;
      readonly on: 'all' | 'tenant' | 'app';
      readonly ms: number;
    }
  | { readonly kind: 'crash' | 'shutDown'; readonly slot: number; readonly ms: number }
  /** At once, or when the next reply to a heartbeat is there and not yet read. */
  | { readonly kind: 'pause' | 'pauseAtReply'; readonly slot: number; readonly ms: number }
  | Affliction;

/** What befalls the store, the disk and Graph. */
export type Affliction =
  /** It does not reach the store; or nothing that is published in the store reaches it. */
  | { readonly kind: 'cutOff' | 'deaf'; readonly slot: number; readonly ms: number }
  /** The next reply that makes it a holder takes so long. */
  | { readonly kind: 'lateGrant'; readonly slot: number; readonly ms: number }
  | { readonly kind: 'storeDown' | 'storeLost' | 'storeFull' | 'diskFull'; readonly ms: number }
  /** Another server comes up on the data of the last one, or on what a replica has of it, without the last moments; its clock shows another time. */
  | { readonly kind: 'storeReplaced'; readonly ms: number; readonly lostMs: number; readonly skewMs: number }
  /** It takes nothing that writes, or one command is forbidden. */
  | { readonly kind: 'storeRefuses'; readonly what: Refused; readonly ms: number }
  /** Somebody sets the store's clock. */
  | { readonly kind: 'step'; readonly byMs: number }
  /** Nobody reaches Graph; or Graph, or whoever gives tokens for it, refuses our credential. */
  | { readonly kind: 'graphDown' | 'credentialRefused'; readonly ms: number };

/** Why a server refuses writes, or the one command that it forbids. */
export type Refused = keyof typeof refusals | (typeof forbidden)[number];

export const refusals = {
  READONLY: "READONLY You can't write against a read only replica.",
  NOREPLICAS: 'NOREPLICAS Not enough good replicas to write.',
  MISCONF: 'MISCONF Redis is configured to save RDB snapshots, but it is unable to persist on disk.',
} as const;

/** Commands that scripts of the store use; an operator may forbid any of them by an ACL. */
export const forbidden = [
  'XADD',
  'HSET',
  'HINCRBY',
  'HDEL',
  'DEL',
  'ZADD',
  'ZREM',
  'PUBLISH',
  'SET',
] as const;

export interface Planned {
  readonly at: number;
  readonly act: Act;
}
