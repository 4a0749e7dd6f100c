import type { EvidenceRecord } from '../call/evidence.ts';

/** Where a line stands in the journal. */
export interface JournalPlace {
  readonly file: string;
  /** Of the first byte of the line. */
  readonly offset: number;
  /** Without the newline. */
  readonly bytes: number;
}

/** Hears of the records of the journal, in their order. */
export interface JournalListener {
  /** Everything that was read before is void: the journal is read from its beginning. */
  begin(): void;
  take(record: EvidenceRecord, place: JournalPlace): void;
}

/** Reads the journal while it is written. A reader cannot vouch for what it reads: that is the verifier's task. */
export interface JournalFeed {
  /** For how long there has been something unread, ms; 0: everything that was there at the last look has been read. */
  behindMs(): number;
  /** The records at these places; left out: those of lines that are not there any more. */
  read(places: readonly JournalPlace[]): Promise<readonly EvidenceRecord[]>;
  close(): Promise<void>;
}
