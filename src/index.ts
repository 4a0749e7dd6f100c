export { startProxy, type ProxyParts, type RunningProxy } from './server/proxy.ts';
export { loadSettings, type ProxySettings, type Settings } from './settings/settings.ts';
export { createLog } from './server/log.ts';
export { memoryStore, type MemoryStoreOptions } from './store/memory.ts';
export type { FaultCode } from './core/errors.ts';
export type { Log } from './core/ports/log.ts';
export type { Store } from './core/ports/store.ts';
