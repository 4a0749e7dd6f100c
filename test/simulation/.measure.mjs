import { register } from 'node:module';
const [mutant, ...firsts] = process.argv.slice(2);
register('./load.mjs', import.meta.url, { data: { mutant } });
const { search } = await import('./search.ts');
for (const first of firsts) {
  const { total, failed } = await search(Number(first), (t) => t.steps > 3e6);
  console.log(
    mutant,
    first,
    total.next - total.first,
    'runs',
    total.steps,
    'steps',
    failed?.violation?.slice(0, 100),
    Math.round(process.cpuUsage().user / 1e6),
  );
}
