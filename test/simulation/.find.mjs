import { register } from 'node:module';
register('./load.mjs', import.meta.url, { data: { mutant: 'P+R4' } });
const { settingOf } = await import('./plan.ts');
const { simulate } = await import('./run.ts');
let n = 0;
for (let seed = 1; seed < 400 && n < 12; seed++) {
  const s = settingOf(seed);
  const p = s.plan.filter((x) => x.act.kind === 'pauseAtReply' && x.act.ms > 2.5 * s.times.ttlMs);
  const c = s.calls - 1;
  const mine = s.plan.filter((x) => x.act.call === c);
  if (mine.length === 0 || p.length === 0) continue;
  const r = await simulate(seed, s);
  n++;
  console.log(seed, r.violation, JSON.stringify(s.times));
  const tag = 'c' + c + '00';
  for (const l of r.lines)
    if (l.includes(tag) || /suspended|resumes|crash|dies|boots|cut off|session ran/.test(l)) {
      if (!/contrad|roster|notified|bound|never gets|revoke/.test(l)) console.log('   ', l.slice(0, 150));
      if (l.includes('heals')) break;
    }
  console.log(p.map((x) => x.at + JSON.stringify(x.act)).join('\n'));
}
