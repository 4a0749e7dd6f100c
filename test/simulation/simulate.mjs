import { register } from 'node:module';

const at = process.argv.indexOf('--mutant');
register('./load.mjs', import.meta.url, { data: { mutant: at < 0 ? undefined : process.argv[at + 1] } });
const { main } = await import('./cli.ts');
process.exitCode = await main(process.argv.slice(2));
