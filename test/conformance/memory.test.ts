import { memoryStore } from '../../src/store/memory.ts';
import { describeStore } from './store-suite.ts';

describeStore('memory', () => {
  const store = memoryStore();
  return Promise.resolve({ store, peer: store, close: () => store.close() });
});
