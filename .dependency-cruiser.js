// Levels inside src: 1 core, 2 gate and the adapters, 3 http and settings, 4 server, 5 sandbox and checks, 6 cli. Each may use those below
// it, nothing may use those above it.
const adapters = 'auth|store|upstream|evidence|metrics|policies|console';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle hides which module decides.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'core-is-pure',
      comment:
        'The laws must be readable and testable without I/O; canonical JSON, a hash, the keys of a JSON text and what a compressed text was are functions of bytes.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: {
        pathNot: [
          '^src/core/',
          '^(node:)?crypto$',
          '^(node:)?zlib$',
          'node_modules/canonicalize/',
          'node_modules/jsonc-parser/',
        ],
      },
    },
    ...[
      ['call', ''],
      ['http', 'call'],
      ['graph', 'call|http'],
      ['notices', 'call|http'],
    ].map(([chamber, below]) => ({
      name: `core-${chamber}-looks-down`,
      comment:
        'The state machine of a call needs neither HTTP nor Graph; requests to Graph and notifications from it are read apart.',
      severity: 'error',
      from: { path: `^src/core/${chamber}/` },
      to: { path: '^src/core/[^/]+/', pathNot: `^src/core/(${[chamber, below].filter(Boolean).join('|')})/` },
    })),
    {
      name: 'gate-knows-core-only',
      comment: 'Use cases work on ports, so that the same protocol runs on any store and under simulation.',
      severity: 'error',
      from: { path: '^src/gate/' },
      to: { pathNot: ['^src/core/', '^src/gate/', 'node_modules/lru-cache/'] },
    },
    {
      name: 'adapters-never-meet',
      comment: 'Adapters meet in a root, which hands them to others as ports.',
      severity: 'error',
      from: { path: `^src/(${adapters})/` },
      to: { path: '^src/[^/]+/', pathNot: '^src/(core|$1)/' },
    },
    {
      name: 'page-runs-in-browsers',
      comment:
        'Browsers load the page as it is built: beside types it may use its own modules and the tables that src/console/page-files.ts serves with it.',
      severity: 'error',
      from: { path: '^src/console/page/' },
      to: {
        pathNot:
          '^src/console/page/|^src/core/(reasons|call/ends)\\.ts$|^src/console/projection/attention\\.ts$|node_modules/(htm|preact|uplot)/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'page-is-for-browsers',
      comment: 'Nothing on the server runs what is written for a browser.',
      severity: 'error',
      from: { path: '^(src|middleware)/', pathNot: '^src/console/page/' },
      to: { path: '^src/console/page/' },
    },
    {
      name: 'stages-know-core-and-gate',
      comment: 'A stage of a request takes its adapters as ports; type shapes come from core.',
      severity: 'error',
      from: { path: '^src/http/' },
      to: { path: '^src/[^/]+/', pathNot: '^src/(core|gate|http)/' },
    },
    {
      name: 'planes-never-meet',
      comment: 'What two planes need lies beside them.',
      severity: 'error',
      from: { path: '^src/http/(control|media|callbacks)/' },
      to: { path: '^src/http/(control|media|callbacks)/', pathNot: '^src/http/$1/' },
    },
    {
      name: 'projection-is-plain',
      comment:
        'What the console shows follows from records and time alone, so that it can be tested without a listener.',
      severity: 'error',
      from: { path: '^src/console/projection/' },
      to: { pathNot: ['^src/core/', '^src/console/(projection/|row\\.ts$)'] },
    },
    {
      name: 'settings-start-nothing',
      comment:
        'Settings say what is wanted; adapters lend them the shapes of their options and the checks of their values.',
      severity: 'error',
      from: { path: '^src/settings/' },
      to: { path: '^src/(gate|server|sandbox|cli)/' },
    },
    {
      name: 'server-knows-no-sandbox',
      comment: 'Fakes must not be loaded where a real call is recorded.',
      severity: 'error',
      from: { path: '^(src|middleware)/', pathNot: '^src/(sandbox|cli)/' },
      to: { path: '^src/sandbox/' },
    },
    {
      name: 'checks-are-for-commands',
      comment:
        'What looks a configuration over runs beside the proxy, never in it: it asks everybody at once and knows no port.',
      severity: 'error',
      from: { path: '^(src|middleware)/', pathNot: '^src/(checks|cli)/' },
      to: { path: '^src/checks/' },
    },
    {
      name: 'commands-are-on-top',
      comment:
        'Only commands read arguments; nothing that is imported may end the process or write to the terminal.',
      severity: 'error',
      from: { path: '^(src|middleware)/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'src-never-sees-middleware',
      comment: 'The middleware is a door on top of src.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^middleware/' },
    },
    {
      name: 'middleware-loads-no-server',
      comment: 'Importing the middleware must not load the server, ioredis or the environment.',
      severity: 'error',
      from: { path: '^middleware/' },
      to: {
        path: '^src/(server|settings|sandbox|cli)/|^src/store/redis/|^src/(index|redis)\\.ts$|node_modules/ioredis/',
        reachable: true,
      },
    },
    {
      name: 'doors-are-for-outsiders',
      comment: 'Nothing inside imports the public entries.',
      severity: 'error',
      from: { path: '^(src|middleware)/' },
      to: { path: '^src/(index|redis)\\.ts$' },
    },
    ...[
      ['ioredis', '^src/store/redis/'],
      ['express', '^src/(http|server|console)/|^middleware/'],
      ['undici', '^src/upstream/'],
      ['jose', '^src/(auth|sandbox)/'],
      ['oauth4webapi', '^src/auth/'],
      ['prom-client', '^src/metrics/'],
      ['pino', '^src/server/'],
      ['zod', '^src/(settings|policies|sandbox)/|^middleware/'],
      ['yaml', '^src/policies/'],
    ].map(([name, home]) => ({
      name: `${name}-has-one-home`,
      comment: `${name} is used in one place, so that it can be replaced there.`,
      severity: 'error',
      from: { path: '^(src|middleware)/', pathNot: home },
      to: { path: `node_modules/${name}/` },
    })),
    {
      name: 'nothing-imports-tests',
      comment: 'Fakes live in the tests and the sandbox only.',
      severity: 'error',
      from: { path: '^(src|middleware)/' },
      to: { path: '^test/' },
    },
    {
      name: 'verifier-is-independent',
      comment:
        'The verifier of evidence shares the record format and the transition table with the writer, nothing else.',
      severity: 'error',
      from: { path: '^src/evidence/verify/' },
      to: { path: '^src/', pathNot: '^src/(core|evidence/verify)/' },
    },
    {
      name: 'no-unresolvable',
      comment: 'An import that does not resolve is a typo.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'default', 'node'],
    },
  },
};
