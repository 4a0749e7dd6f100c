export const peerNames = {
  tallylight: 'Tallylight',
  alwaysYes: "Tallylight, gate 'always yes'",
  accessLog: 'Tallylight, access log on',
  express: 'Express + http-proxy-middleware + Redis',
  fastify: '@fastify/http-proxy + Redis',
  nginxLua: 'nginx + Lua + Redis',
  nginx: 'nginx',
  pipe: 'raw TCP pipe in Node',
} as const;

export type PeerName = keyof typeof peerNames;
