import { register } from 'node:module';

register('../simulation/load.mjs', import.meta.url, { data: {} });
const { runCli } = await import('./cli.ts');
process.exitCode = await runCli(process.argv.slice(2));
