export { admitFirst } from './admit-first.ts';
export { createGate } from './create-gate.ts';
export { hangUp, updateRecordingStatus } from './graph-actions.ts';
export { requireRecording, type RouteHandler } from './require-recording.ts';
export { memoryStore, type MemoryStoreOptions } from '../src/store/memory.ts';
export type { FaultCode } from '../src/core/errors.ts';
export type { Binding } from '../src/core/call/state.ts';
export type { Log } from '../src/core/ports/log.ts';
export type { Store } from '../src/core/ports/store.ts';
export type { IssuerConfig } from '../src/auth/issuers.ts';
export type {
  GateOptions,
  GraphOptions,
  PolicyOptions,
  RequestStartSource,
  RequireRecordingOptions,
} from './options.ts';
export type { RecordingGate } from './parts.ts';
export type { Recording } from './recording.ts';
