/** Recording status of a call as its participants report it: an independent check that never changes the gate. */
export interface Roster {
  /** By participant id, those who show that this bot records, and those who showed otherwise with a sequence number. */
  readonly participants: Readonly<Record<string, Sighting>>;
  /** The last epoch in which the roster showed recording; 0: none. */
  readonly shownIn: number;
  /** Per kind of contradiction, the epoch in which it was raised last. */
  readonly contradictedIn: Readonly<Partial<Record<Contradiction, number>>>;
  /** Not everybody is known: who shows the recording may be among those that are missing. */
  readonly partial?: true;
}

export interface Sighting {
  readonly recording: boolean;
  /** `rosterSequenceNumber`; null: none was given. */
  readonly sequence: number | null;
}

export const emptyRoster: Roster = { participants: {}, shownIn: 0, contradictedIn: {} };

/** Kinds of contradictions between the roster and the gate. */
export const contradictions = {
  neverShown: 'Graph confirmed the recording, but the roster has not shown it.',
  shownAfterStop: 'The roster still shows a recording after the stop.',
  shownUnconfirmed:
    'The roster shows a recording that Graph did not confirm to this proxy: the response was lost, or the bot bypassed the proxy.',
} as const;
export type Contradiction = keyof typeof contradictions;
