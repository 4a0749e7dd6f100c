// Runs a TypeScript module of this folder as a process of its own, which ends with the one that started it.
import { register } from 'node:module';

process.once('disconnect', () => process.exit(0));
register('./load.mjs', import.meta.url);
await import(`./${process.argv[2]}`);
